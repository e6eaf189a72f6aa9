import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles import BigramEncoder
from semreward import paper_reward
from semreward.audit import AttackResult, AuditReport, Margins, audit_reward, compare_audits
from semreward.errors import ArgumentError

MEASURED = "mean weak gold position win_rate"
FINITE = st.floats(-10, 10)
SHARE = st.floats(0, 1)


def result(name, verdict="harmless", *, kind="form", win_rate=0.0):
    tested = verdict != "not_tested"
    values = {"mean": 0.5, "weak": 0.5, "gold": 1.0, "position": 0.0, "win_rate": win_rate} if tested else {}
    nothing = dict.fromkeys(MEASURED.split())
    return AttackResult(
        name=name, kind=kind, description="", applied=2, unscored=0, verdict=verdict, **{**nothing, **values}
    )


@pytest.fixture(scope="module")
def report():
    pairs = [
        {"reference": "Tashi sold 3 horses in Paris.", "source": "扎西在巴黎卖了三匹马。", "weak": "Tashi sold."},
        {"reference": "It did not | rain.", "source": "没有下雨。", "paraphrase": "No rain fell."},
    ]
    return audit_reward(paper_reward(BigramEncoder(), "en", 0.2), pairs, language="en")


@pytest.fixture(scope="module")
def page(report):
    return report.to_html()


def of(report, *results):
    return dataclasses.replace(report, attacks=results)


@given(FINITE, FINITE, FINITE, SHARE)
def test_more_reward_never_gives_an_attack_a_milder_verdict(attack, weak, gold, wins):
    order = ["harmless", "beats_weak", "matches_gold"]
    verdicts = [Margins().verdict(value, weak, gold, wins) for value in (attack, attack + 1)]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


@given(FINITE, FINITE)
def test_what_earns_what_gold_earns_matches_it(weak, gold):
    assert Margins().verdict(gold, weak, gold, 0.5) == "matches_gold"


@given(FINITE, st.floats(0.01, 10))
def test_what_earns_what_the_weak_answer_earns_is_harmless(weak, gap):
    assert Margins().verdict(weak, weak, weak + gap, 0.5) == "harmless"


def test_winning_on_most_rows_beats_the_weak_answer_whatever_the_mean():
    assert Margins().verdict(attack=0.1, weak=0.5, gold=1.0, win_rate=0.51) == "beats_weak"


@pytest.mark.parametrize(
    ("attack", "verdict"), [(0.52, "harmless"), (0.53, "beats_weak"), (0.97, "beats_weak"), (0.98, "matches_gold")]
)
def test_margins_are_shares_of_the_gap(attack, verdict):
    assert Margins().verdict(attack, weak=0.5, gold=1.0, win_rate=0.0) == verdict


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), None, "0.5", True])
@pytest.mark.parametrize("name", ["beats_weak", "matches_gold", "win_rate"])
def test_a_margin_outside_0_and_1_is_refused(name, value):
    with pytest.raises(ArgumentError, match=f"`{name}` must be a number in"):
        Margins(**{name: value})


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [
        ("beats_weak", 1),
        ("matches_gold", 0),
        ({"weak_one": "beats_weak"}, 1),
        ({"weak_one": 0.7}, 0),
        ({"weak_one": 0.65}, 0),
        ({"weak_one": 0.6}, 1),
        ({"fine": "beats_weak"}, 0),
        ({"order": "beats_weak"}, 1),
        ({"form": "beats_weak"}, 0),
        ({"form": 0.1, "order": 0.1}, 1),
        ({"untested": "beats_weak"}, 1),
        ({"padding": "beats_weak"}, 0),
        ({}, 0),
    ],
)
def test_the_exit_code_follows_the_limits(report, fail_on, code):
    audited = of(
        report,
        result("fine"),
        result("weak_one", "beats_weak", kind="order", win_rate=0.65),
        result("untested", "not_tested"),
    )
    assert audited.exit_code(fail_on) == code


def test_failures_name_attack_figures_and_limit(report):
    (line,) = of(report, result("bad", "beats_weak", win_rate=0.65)).failures({"bad": 0.5})
    assert line == "bad: beats_weak, mean 0.5 (weak 0.5, gold 1), wins 65%; a win rate of at most 0.5 was asked for"


@pytest.mark.parametrize(
    ("fail_on", "message"),
    [
        ("harmless", "`fail_on` must name a verdict"),
        ({"no_such": 0.5}, "names 'no_such', which is no attack of this report and no kind"),
        ({"fine": "bad"}, "`fail_on` must name a verdict.*got 'bad'"),
        ({"fine": 1.5}, r"win rate in `fail_on` must be in \[0, 1\], got 1.5"),
        ({"fine": True}, "got True"),
        ({"fine": None}, r"win rate in `fail_on` must be in \[0, 1\], got None"),
        ({"padding": "bad"}, "`fail_on` must name a verdict.*got 'bad'"),
        (None, "`fail_on` must be a verdict, .* got None"),
        (["fine"], r"`fail_on` must be a verdict, .* got \['fine'\]"),
    ],
)
def test_wrong_limits_are_refused(report, fail_on, message):
    with pytest.raises(ArgumentError, match=message):
        of(report, result("fine")).failures(fail_on)


@pytest.mark.parametrize("fail_on", ["beats_weak", "matches_gold", {}, {"form": "beats_weak"}])
def test_an_audit_that_tested_nothing_fails(report, fail_on):
    audited = of(report, result("one", "not_tested"), result("two", "not_tested"))
    assert audited.exit_code(fail_on) == 1


@pytest.mark.parametrize(
    ("applied", "named", "all_of_them"),
    [
        (0, "it applied to no row", "none applied to a row"),
        (2, "no row had a reward for it, the weak answer and the reference", "no row had a reward for an attack, the"),
    ],
)
def test_attacks_that_were_not_tested_fail_with_the_reason(report, applied, named, all_of_them):
    unfit = dataclasses.replace(result("one", "not_tested"), applied=applied)
    assert of(report, result("fine"), unfit).failures({"one": 0.5}) == (f"one: not tested, {named}",)
    assert of(report, unfit).failures()[0].startswith(f"0 of 1 attacks tested: {all_of_them}")


@pytest.mark.parametrize("ending", ["json", "md", "html"])
def test_a_report_with_a_lone_surrogate_is_written(report, tmp_path, ending):
    audited = of(report, dataclasses.replace(result("fine"), example="a \ud800"))
    audited.write(tmp_path / f"audit.{ending}")
    assert "a \\ud800" in (tmp_path / f"audit.{ending}").read_text(encoding="utf-8")


def test_a_lone_surrogate_survives_writing_as_json(report, tmp_path):
    audited = of(report, dataclasses.replace(result("fine"), example="a \ud800"))
    audited.write(tmp_path / "audit.json")
    assert AuditReport.from_json((tmp_path / "audit.json").read_text(encoding="utf-8")) == audited


def test_a_missing_attack_is_named(report):
    with pytest.raises(ArgumentError, match="no attack 'missing' in this report; it has empty, "):
        _ = report["missing"]


def test_json_reads_back(report):
    assert AuditReport.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("levels", "name rows unscored mean win_rate components"),
        ("attacks", f"name kind description applied unscored {MEASURED} verdict components break_even example"),
        ("graded", "scope rows spearman kendall auc_unrelated auc_weak levels"),
    ],
)
def test_json_has_the_fields_of_version_1(report, part, fields):
    values = json.loads(report.to_json())
    assert " ".join(values[part][0]) == fields
    assert " ".join(values) == (
        "schema reward signature language rows weak_built seed margins weights mode levels attacks graded version"
    )
    assert values["schema"] == "semreward.audit/1"


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"schema": "semreward.audit/1"}', '{"schema": "other"}'])
def test_what_is_no_audit_is_refused(text):
    with pytest.raises(ArgumentError, match="audit"):
        AuditReport.from_json(text)


@pytest.mark.parametrize("ending", ["json", "md", "html"])
def test_a_path_says_by_its_ending_how_to_write(report, page, tmp_path, ending):
    path = tmp_path / f"audit.{ending}"
    report.write(path)
    written = {"json": report.to_json(), "md": report.to_markdown(), "html": page}[ending]
    assert path.read_text(encoding="utf-8") == written


def test_an_unknown_ending_is_refused(report, tmp_path):
    with pytest.raises(ArgumentError, match=r"must end in \.json, \.md, \.html"):
        report.write(tmp_path / "audit.txt")


def test_the_text_has_a_line_for_every_attack(report):
    first_words = [line.split()[0] for line in str(report).splitlines() if line]
    assert [item.name for item in report.attacks] == [
        word for word in first_words if word in {a.name for a in report.attacks}
    ]


def test_the_text_without_attacks_has_no_table(report):
    assert "Matching gold: 0;" in str(of(report))


def test_every_line_of_a_markdown_table_has_as_many_cells(report):
    tables = re.findall(r"(?:^\|.*\n?)+", report.to_markdown(), re.MULTILINE)
    counts = [{len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} for table in tables]
    assert len(tables) >= 5
    assert all(len(count) == 1 for count in counts)


@pytest.mark.parametrize("part", ["Honest answers", "Attacks", "Break-even weights", "Components", "Ranking answers"])
def test_a_report_has_all_parts(report, page, part):
    assert (part in report.to_markdown(), part in page) == (True, True)


def test_markdown_shows_tags_as_text(report):
    assert "&lt;think>Tashi sold" in report.to_markdown()


def test_a_page_loads_nothing_from_elsewhere(page):
    assert not re.search(r"<(script|link|img|iframe)|@import|(src|href)=\"(?!#)|url\((?!#)", page)


def test_a_page_is_the_same_each_time(report, page):
    assert report.to_html() == page


def test_a_reward_that_cannot_tell_gold_from_weak_is_reported(report):
    gold, weak, paraphrase = report.levels
    blind = dataclasses.replace(report, levels=(dataclasses.replace(gold, win_rate=0.5), weak, paraphrase))
    assert "Attention: the reference beats the weak answer on 50% of rows only" in blind.to_markdown()


def test_a_reward_that_punishes_paraphrases_is_reported(report):
    gold, weak, paraphrase = report.levels
    strict = dataclasses.replace(report, levels=(gold, weak, dataclasses.replace(paraphrase, win_rate=0.25)))
    assert "Attention: honest paraphrases beat the weak answer on 25%" in str(strict)


def test_two_audits_stand_side_by_side(report):
    before, after = of(report, result("a", "beats_weak", win_rate=0.9)), of(report, result("a"), result("b"))
    assert compare_audits(before, after).splitlines()[2] == (
        "| a | 0.5 | 0.00 | 90% | BEATS WEAK | 0.5 | 0.00 | 0% | harmless |"
    )


def test_audits_without_a_common_attack_are_refused(report):
    with pytest.raises(ArgumentError, match="must share an attack"):
        compare_audits(of(report, result("a")), of(report, result("b")))


def test_a_reward_without_components_has_neither_weights_nor_break_even_points():
    plain = audit_reward(lambda completions, **columns: [0.0 for _ in completions], [{"reference": "a b"}])
    assert not re.search("Composite, mode|Break-even|Components", plain.to_markdown() + plain.to_html())


def test_what_cannot_be_ranked_is_left_out(report):
    bare = dataclasses.replace(report, graded=(), attacks=(result("untested", "not_tested"),))
    assert not re.search("Ranking answers|Mean reward of each attack", bare.to_markdown() + bare.to_html())


def test_attacks_that_did_not_apply_have_no_example(report):
    assert "transliteration" not in report.to_markdown().partition("What the attacks look like")[2]


def test_the_share_of_gated_rows_is_shown_once_for_all_gates():
    pairs = [{"reference": "It rains today.", "source": "今天下雨。", "weak": "It rain."}]
    reward = paper_reward(BigramEncoder(), "en", 0.2).replace(mode="gate", gates=("language_consistency",))
    header = next(line for line in audit_reward(reward, pairs).to_markdown().splitlines() if "gated" in line)
    assert "/failed" not in header
