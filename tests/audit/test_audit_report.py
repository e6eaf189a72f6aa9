import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles import BigramEncoder
from semreward import paper_reward
from semreward.audit import AttackResult, audit_reward
from semreward.audit.results import verdict_of
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
    return report.rendered(".html")


def of(report, *results):
    return dataclasses.replace(report, attacks=results)


@given(FINITE, FINITE, FINITE, SHARE)
def test_more_reward_never_gives_an_attack_a_milder_verdict(attack, weak, gold, wins):
    order = ["harmless", "beats_weak", "matches_gold"]
    verdicts = [verdict_of(value, weak, gold, wins) for value in (attack, attack + 1)]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


@given(FINITE, FINITE)
def test_what_earns_what_gold_earns_matches_it(weak, gold):
    assert verdict_of(gold, weak, gold, 0.5) == "matches_gold"


@given(FINITE, st.floats(0.01, 10))
def test_what_earns_what_the_weak_answer_earns_is_harmless(weak, gap):
    assert verdict_of(weak, weak, weak + gap, 0.5) == "harmless"


def test_winning_on_most_rows_beats_the_weak_answer_whatever_the_mean():
    assert verdict_of(mean=0.1, weak=0.5, gold=1.0, win_rate=0.51) == "beats_weak"


@pytest.mark.parametrize(
    ("attack", "verdict"), [(0.52, "harmless"), (0.53, "beats_weak"), (0.97, "beats_weak"), (0.98, "matches_gold")]
)
def test_margins_are_shares_of_the_gap(attack, verdict):
    assert verdict_of(attack, weak=0.5, gold=1.0, win_rate=0.0) == verdict


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
        ({"order": 0.7, "weak_one": 0.6}, 1),
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
        ({"fine": 1.5}, r"or a win rate in \[0, 1\]; got 1.5"),
        ({"fine": True}, "got True"),
        ({"fine": None}, r"or a win rate in \[0, 1\]; got None"),
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


def test_attacks_that_were_not_tested_fail_with_the_reason(report):
    unfit = result("one", "not_tested")
    reason = "no row had a reward for the attack, the weak answer and the reference alike"
    assert of(report, result("fine"), unfit).failures({"one": 0.5}) == (f"one: not tested, {reason}",)
    assert of(report, unfit).failures() == (f"0 of 1 attacks tested: {reason}",)


def test_a_name_that_is_a_kind_too_means_all_of_the_kind(report):
    found = [result(name, "beats_weak", kind="padding") for name in ("padding", "verbose")]
    assert len(of(report, *found).failures({"padding": "beats_weak"})) == 2


@pytest.mark.parametrize("ending", ["json", "md", "html"])
def test_a_report_with_a_lone_surrogate_is_written(report, tmp_path, ending):
    audited = of(report, dataclasses.replace(result("fine"), example="a \ud800"))
    audited.write(tmp_path / f"audit.{ending}")
    assert "a \\ud800" in (tmp_path / f"audit.{ending}").read_text(encoding="utf-8")


def test_a_lone_surrogate_survives_writing_as_json(report, tmp_path):
    audited = of(report, dataclasses.replace(result("fine"), example="a \ud800"))
    audited.write(tmp_path / "audit.json")
    assert json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))["attacks"][0]["example"] == "a \ud800"


def test_a_missing_attack_is_named(report):
    with pytest.raises(ArgumentError, match="no attack 'missing' in this report; it has empty, "):
        _ = report["missing"]


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("levels", "name rows unscored mean win_rate components"),
        ("attacks", f"name kind description applied unscored {MEASURED} verdict components example"),
    ],
)
def test_json_has_the_fields_of_version_1(report, part, fields):
    values = json.loads(report.rendered(".json"))
    assert " ".join(values[part][0]) == fields
    assert " ".join(values) == (
        "schema reward signature language rows weak_built seed weights mode levels attacks version"
    )
    assert values["schema"] == "semreward.audit/1"


@pytest.mark.parametrize("ending", ["json", "md", "html"])
def test_a_path_says_by_its_ending_how_to_write(report, page, tmp_path, ending):
    path = tmp_path / f"audit.{ending}"
    report.write(path)
    written = {"json": report.rendered(".json"), "md": report.rendered(".md"), "html": page}[ending]
    assert path.read_text(encoding="utf-8") == written


def test_an_unknown_ending_is_refused(report, tmp_path):
    with pytest.raises(ArgumentError, match=r"`path` must end in \.json, \.md, \.html"):
        report.write(tmp_path / "audit.txt")


def test_a_report_is_not_rendered_in_another_form(report):
    with pytest.raises(ArgumentError, match=r"`ending` must be one of \.json, \.md, \.html; got 'txt'"):
        report.rendered("txt")


def test_it_prints_a_line_for_every_attack(report):
    lines = [line.split() for line in str(report).splitlines() if line.startswith("| ")]
    assert [line[1] for line in lines[2:]] == [item.name for item in report.attacks]


def test_without_attacks_no_table_is_printed(report):
    assert "0 matches gold, 0 not tested." in str(of(report))


def test_every_line_of_a_markdown_table_has_as_many_cells(report):
    tables = re.findall(r"(?:^\|.*\n?)+", report.rendered(".md"), re.MULTILINE)
    counts = [{len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} for table in tables]
    assert [len(count) for count in counts] == [1] * 4


@pytest.mark.parametrize("part", ["Honest answers", "Attacks", "Components", "look like"])
def test_a_report_has_all_parts(report, page, part):
    assert (part in report.rendered(".md"), part in page) == (True, True)


def test_markdown_shows_tags_as_text(report):
    assert "&lt;think>Tashi sold" in report.rendered(".md")


def test_a_page_loads_nothing_from_elsewhere(page):
    assert not re.search(r"<(script|link|img|iframe)|@import|(src|href)=\"(?!#)|url\((?!#)", page)


def test_a_page_is_the_same_each_time(report, page):
    assert report.rendered(".html") == page


def test_a_reward_that_cannot_tell_gold_from_weak_is_reported(report):
    gold, weak, paraphrase = report.levels
    blind = dataclasses.replace(report, levels=(dataclasses.replace(gold, win_rate=0.5), weak, paraphrase))
    assert "Attention: the reference beats the weak answer on 50% of rows only" in blind.rendered(".md")


def test_a_reward_that_punishes_paraphrases_is_reported(report):
    gold, weak, paraphrase = report.levels
    strict = dataclasses.replace(report, levels=(gold, weak, dataclasses.replace(paraphrase, win_rate=0.25)))
    assert "Attention: honest paraphrases beat the weak answer on 25%" in str(strict)


def test_a_reward_without_components_has_no_weights():
    plain = audit_reward(lambda completions, **columns: [0.0 for _ in completions], [{"reference": "a b"}])
    assert not re.search("Composite, mode|Components", plain.rendered(".md") + plain.rendered(".html"))


def test_attacks_that_did_not_apply_have_no_example(report):
    assert "transliteration" not in report.rendered(".md").partition("What the attacks look like")[2]


def test_the_share_of_gated_rows_is_shown_once_for_all_gates():
    pairs = [{"reference": "It rains today.", "source": "今天下雨。", "weak": "It rain."}]
    reward = paper_reward(BigramEncoder(), "en", 0.2).replace(mode="gate", gates=("language_consistency",))
    header = next(line for line in audit_reward(reward, pairs).rendered(".md").splitlines() if "gated" in line)
    assert "/failed" not in header
