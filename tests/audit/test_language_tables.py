import pickle
from functools import partial

import pytest

from semreward.audit import TABLES, LanguageTable
from semreward.audit.edits import next_of_its_group
from semreward.audit.tables import CHINESE, ENGLISH, TIBETAN, rewritten, table_of
from semreward.errors import ArgumentError, ArgumentTypeError


@pytest.mark.parametrize(
    ("statement", "denied"),
    [
        ("ཁོང་བོད་ལ་ཡོད།", "ཁོང་བོད་ལ་མེད།"),
        ("ང་དགེ་རྒན་ཡིན།", "ང་དགེ་རྒན་མིན།"),
        ("འདི་དེབ་རེད།", "འདི་དེབ་མ་རེད།"),
        ("ཁོ་ཡོང་གི་འདུག།", "ཁོ་ཡོང་གི་མི་འདུག།"),
        ("དེབ་ཉོ་བཞིན་ཡོད།", "དེབ་ཉོ་བཞིན་མེད།"),
        ("ཁོང་སླེབས་སོང་།", "ཁོང་སླེབས་མ་སོང་།"),
        ("ངས་དེབ་ཉོས།", "ངས་དེབ་མ་ཉོས།"),
        ("ངས་བྱེད་ཐུབ།", "ངས་བྱེད་མི་ཐུབ།"),
        ("ཁོ་ལ་དངུལ་མེད།", "ཁོ་ལ་དངུལ་ཡོད།"),
        ("དེབ་མ་ཉོས།", "དེབ་ཉོས།"),
        ("ཁོ་ཡོང་གི་མི་འདུག།", "ཁོ་ཡོང་གི་འདུག།"),
        ("དཔེ་ཆ།", None),
    ],
)
def test_tibetan_is_negated_at_its_finite_verb(statement, denied):
    assert rewritten(statement, TIBETAN.negations) == denied


@pytest.mark.parametrize(
    ("sentence", "swapped"),
    [
        ("བཀྲ་ཤིས་ཀྱིས་སྒྲོལ་མ་ལ་དེབ་སྤྲད།", "སྒྲོལ་མས་བཀྲ་ཤིས་ལ་དེབ་སྤྲད།"),
        ("བུ་མོས་དགེ་རྒན་ལ་ཡི་གེ་བྲིས།", "དགེ་རྒན་གྱིས་བུ་མོ་ལ་ཡི་གེ་བྲིས།"),
        ("ཆོས་ལ་དགའ།", None),
        ("ཁོང་ལ་དེབ་ཡོད།", None),
    ],
)
def test_tibetan_agent_and_recipient_exchange_their_endings(sentence, swapped):
    assert rewritten(sentence, TIBETAN.role_swaps) == swapped


@pytest.mark.parametrize(
    ("statement", "denied"),
    [
        ("她是医生。", "她不是医生。"),
        ("我不是学生。", "我是学生。"),
        ("农民正在买苹果。", "农民没有在买苹果。"),
        ("我们可以休息。", "我们不可以休息。"),
        ("他没有来。", "他来。"),
        ("没有人受伤。", "有人受伤。"),
        ("但是他走了。", "并非但是他走了。"),
        ("他昨天买了书。", "并非他昨天买了书。"),
        ("并非他买了书。", "他买了书。"),
    ],
)
def test_chinese_is_negated(statement, denied):
    assert rewritten(statement, CHINESE.negations) == denied


@pytest.mark.parametrize(
    ("sentence", "swapped"),
    [
        ("小偷被警察抓住了。", "小偷把警察抓住了。"),
        ("老师把学生送回了家。", "老师被学生送回了家。"),
        ("他从北京飞往上海。", "他从上海飞往北京。"),
        ("弟弟比哥哥高。", "哥哥比弟弟高。"),
        ("两把红伞。", None),
    ],
)
def test_chinese_roles_are_exchanged_by_their_particles(sentence, swapped):
    assert rewritten(sentence, CHINESE.role_swaps) == swapped


@pytest.mark.parametrize(
    ("statement", "denied"),
    [
        ("It was built in 1987.", "It was not built in 1987."),
        ("She has not left.", "She has left."),
        ("He can't come.", "He can come."),
        ("He won't come.", "He will come."),
        ("They don't know.", "They do know."),
        ("Tashi never sleeps.", "Tashi sleeps."),
        ("He has finished.", "He has not finished."),
        ("They have a car.", "It is not true that they have a car."),
        ("The dog chased it.", "It is not true that the dog chased it."),
        ("Anna sings.", "It is not true that Anna sings."),
    ],
)
def test_english_is_negated(statement, denied):
    assert rewritten(statement, ENGLISH.negations) == denied


def test_a_rule_changes_its_first_match_only():
    assert rewritten("It is old and is red.", ENGLISH.negations) == "It is not old and is red."


@pytest.mark.parametrize(
    ("sentence", "swapped"),
    [
        ("She flew from Delhi to Tokyo.", "She flew from Tokyo to Delhi."),
        ("Eat before you go.", "Eat after you go."),
        ("It costs more than ten.", "It costs less than ten."),
        ("It rains.", None),
    ],
)
def test_english_directions_are_turned(sentence, swapped):
    assert rewritten(sentence, ENGLISH.role_swaps) == swapped


@pytest.mark.parametrize(
    ("table", "sentence", "changed"),
    [
        (TIBETAN, "ཀུ་ཤུ་གསུམ་ཉོས།", "ཀུ་ཤུ་ལྔ་ཉོས།"),
        (CHINESE, "三个苹果", "五个苹果"),
        (CHINESE, "星期三", None),
        (ENGLISH, "Three dogs.", "Five dogs."),
        (ENGLISH, "He is often late.", None),
    ],
)
def test_number_words_become_other_ones(table, sentence, changed):
    assert next_of_its_group(sentence, [table.number_words], table.number_pattern, 1) == changed


@pytest.mark.parametrize(
    ("table", "sentence", "changed"),
    [
        (TIBETAN, "ཁོང་ལྷ་སར་སོང་།", "ཁོང་ཆབ་མདོར་སོང་།"),
        (TIBETAN, "སློབ་མས་དེབ་ཉོས།", "ཞིང་པས་དེབ་ཉོས།"),
        (CHINESE, "他住在北京。", "他住在天津。"),
        (ENGLISH, "He lives in London.", "He lives in Berlin."),
        (ENGLISH, "He lives on the moon.", None),
    ],
)
def test_names_become_others_of_their_group(table, sentence, changed):
    assert next_of_its_group(sentence, table.entities, table.entity_pattern, 1) == changed


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.language)
def test_shipped_tables_survive_pickling(table):
    assert pickle.loads(pickle.dumps(table)) == table


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.language)
def test_no_word_of_a_shipped_table_stands_in_two_groups(table):
    names = [name for group in table.entities for name in group]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("language", "found"), [("bo", TIBETAN), ("zh-Hant", CHINESE), ("EN_us", ENGLISH)])
def test_a_table_is_found_by_the_first_part_of_a_tag(language, found):
    assert table_of(language) is found


def test_a_language_without_a_table_has_an_empty_one():
    assert table_of("fr") == LanguageTable("fr")


def test_a_table_of_ones_own_is_taken_as_it_is():
    own = LanguageTable("xx", preamble="!")
    assert table_of(own) is own


def test_a_language_of_the_wrong_type_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"`language` must be a BCP-47 tag.*got 3"):
        table_of(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(LanguageTable, homoglyphs=("ab", "c")), "two strings of equal length, got 2 letters and 1"),
        (partial(LanguageTable, negations=(("(", ""),)), r"table of 'xx' has a wrong pattern '\('"),
    ],
)
def test_a_wrong_table_is_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make("xx")
