import os
import pickle
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError, UnknownLanguageError
from semreward.rewards.detector import FastTextDetector, names_language, probabilities_of


class Model:
    """Answers as fastText's models do, and counts who asks."""

    def __init__(self, path):
        self.path = path
        self.inside = 0
        self.calls = []

    def predict(self, lines, k):
        self.inside += 1
        assert self.inside == 1, "two threads at once"
        assert not any("\n" in line for line in lines)
        self.calls.append(list(lines))
        labels = [["__label__dzo_Tibt" if "ཨིན" in line else "__label__bod_Tibt", "__label__zho_Hans"] for line in lines]
        self.inside -= 1
        return [row[:k] for row in labels], [[0.75, 0.25][:k] for _ in lines]


@pytest.fixture
def fasttext(monkeypatch, tmp_path):
    """A stand-in for the fasttext module, with the models that it has loaded."""
    module = types.ModuleType("fasttext")
    module.models = []
    module.load_model = lambda path: module.models.append(Model(path)) or module.models[-1]
    monkeypatch.setitem(sys.modules, "fasttext", module)
    module.path = tmp_path / "model.bin"
    module.path.write_bytes(b"weights")
    return module


@pytest.mark.parametrize(
    ("label", "language"),
    [
        ("bo", "bo"),
        ("bod", "bo"),
        ("bod_Tibt", "bo"),
        ("__label__bod_Tibt", "bo-CN"),
        ("bo", "bod_Tibt"),
        ("zho_Hant", "zh"),
        ("zho_Hans", "zh-CN"),
        ("zh", "zh-Hant"),
        ("zh-tw", "zh-Hant"),
        ("cmn_Hani", "zh-Hans"),
        ("arb_Arab", "ar"),
        ("npi_Deva", "ne"),
        ("jpn_Jpan", "ja"),
        ("srp_Latn", "sr"),
        ("srp_Latn", "sr-Latn"),
    ],
)
def test_a_label_names_a_language(label, language):
    assert names_language(label, language)


@pytest.mark.parametrize(
    ("label", "language"),
    [
        ("dzo_Tibt", "bo"),
        ("yue_Hant", "zh"),
        ("zho_Hant", "zh-Hans"),
        ("zh-cn", "zh-Hant"),
        ("srp_Cyrl", "sr-Latn"),
        ("hin_Latn", "hi-Deva"),
        ("other", "bo"),
        ("bod_Xxxx", "bo-Tibt"),
        ("zho_Zxxx", "zh-CN"),
        ("not-a-language", "bo"),
        ("", "bo"),
    ],
)
def test_a_label_names_another_language(label, language):
    assert not names_language(label, language)


def test_probabilities_of_a_language_in_several_scripts_add_up():
    assert probabilities_of(lambda texts: [{"zho_Hans": 0.5, "zho_Hant": 0.25}], ["a"], ["zh"]) == [0.75]


def test_a_single_label_is_certain():
    assert probabilities_of(lambda texts: ["bod", "dzo"], ["a", "b"], ["bo", "bo"]) == [1.0, 0.0]


def test_a_language_that_was_not_found_is_improbable():
    assert probabilities_of(lambda texts: [{}], ["a"], ["bo"]) == [0.0]


def test_equal_texts_are_shown_once_and_each_row_has_its_own_language():
    seen = []

    def detector(texts):
        seen.extend(texts)
        return ["bod"] * len(texts)

    assert probabilities_of(detector, ["a", "b", "a"], ["bo", "bo", "dz"]) == [1.0, 1.0, 0.0]
    assert seen == ["a", "b"]


def test_no_text_needs_no_detector():
    assert probabilities_of(None, [], []) == []


@pytest.mark.parametrize("findings", [[], ["bo", "bo"]])
def test_findings_of_another_number_are_refused(findings):
    with pytest.raises(ArgumentError, match="`detector` must return one finding per text: 1 expected"):
        probabilities_of(lambda texts: findings, ["a"], ["bo"])


@pytest.mark.parametrize("finding", [None, 0.5, ["bo"], {1: 0.5}])
def test_a_finding_of_another_type_is_refused(finding):
    with pytest.raises(ArgumentTypeError, match="`detector` must return a label, or a mapping"):
        probabilities_of(lambda texts: [finding], ["a"], ["bo"])


@pytest.mark.parametrize("findings", [None, "bo", {"a": "bo"}, 0.5])
def test_findings_that_are_no_list_are_refused(findings):
    with pytest.raises(ArgumentTypeError, match="`detector` must return a list, one finding per text"):
        probabilities_of(lambda texts: findings, ["a"], ["bo"])


@pytest.mark.parametrize("share", [None, "x", "0.5", [0.5], 1j, -0.1, 1.1, float("nan")])
def test_a_probability_that_is_no_number_from_zero_to_one_is_refused(share):
    with pytest.raises(ArgumentError, match=r"`detector` must return numbers in \[0, 1\] as probabilities"):
        probabilities_of(lambda texts: [{"bo": share}], ["a"], ["bo"])


def test_probabilities_may_be_numbers_of_numpy():
    assert probabilities_of(lambda texts: [{"bo": np.float32(0.5)}], ["a"], ["bo"]) == [0.5]


def test_a_wanted_script_that_is_none_is_told_whatever_the_label_is():
    with pytest.raises(UnknownLanguageError, match="Xxxx"):
        names_language("bod_Tibt", "bo-Xxxx")


def test_rounding_just_past_one_is_cut_back():
    assert probabilities_of(lambda texts: [{"bo": 1.0001}], ["a"], ["bo"]) == [1.0]


def test_a_fasttext_model_is_asked_line_by_line(fasttext):
    found = FastTextDetector(fasttext.path)(["ཀ\n ཁ", "ང་ཨིན"])
    assert found == [{"bod_Tibt": 0.75, "zho_Hans": 0.25}, {"dzo_Tibt": 0.75, "zho_Hans": 0.25}]
    assert fasttext.models[0].calls == [["ཀ ཁ", "ང་ཨིན"]]


def test_nothing_is_loaded_before_the_first_text(fasttext):
    assert FastTextDetector(fasttext.path)([]) == []
    assert fasttext.models == []


def test_equal_descriptions_share_a_model(fasttext):
    FastTextDetector(fasttext.path)(["ཀ"])
    FastTextDetector(str(fasttext.path))(["ཀ"])
    assert [model.path for model in fasttext.models] == [str(fasttext.path)]


def test_a_detector_pickles_without_its_model(fasttext):
    detector = FastTextDetector(fasttext.path)
    detector(["ཀ"])
    assert len(pickle.dumps(detector)) < 1000
    assert pickle.loads(pickle.dumps(detector)) == detector


def test_threads_take_turns(fasttext):
    detector, failures = FastTextDetector(fasttext.path), []

    def ask():
        try:
            for _ in range(50):
                detector(["ཀ", "ང་ཨིན"])
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(fasttext.models) == 1


def test_a_fingerprint_follows_the_weights(tmp_path):
    names = ["one.bin", "same.bin", "other.bin"]
    for name, weights in zip(names, [b"1", b"1", b"2"], strict=True):
        (tmp_path / name).write_bytes(weights)
    one, same, other = (FastTextDetector(tmp_path / name).fingerprint for name in names)
    assert one == same != other


@pytest.mark.parametrize("path", [None, 3, b"model.bin"])
def test_what_is_no_path_fails_at_construction(path):
    with pytest.raises(ArgumentError, match="`path` must be the file of a fastText model"):
        FastTextDetector(path)


def test_a_missing_file_fails_at_construction(tmp_path):
    with pytest.raises(ArgumentError, match="`path` must be the file of a fastText model"):
        FastTextDetector(tmp_path / "none.bin")


def test_a_missing_library_names_its_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[detect\]'"):
        FastTextDetector(tmp_path / "model.bin")(["ཀ"])


def test_a_forked_child_asks_although_another_thread_held_the_lock(fasttext, monkeypatch):
    from semreward.rewards import detector as detectors

    monkeypatch.setattr(detectors, "_LOCKS", {os.getpid(): threading.Lock()})
    with detectors._LOCKS[os.getpid()]:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert FastTextDetector(fasttext.path)(["ཀ"]) == [{"bod_Tibt": 0.75, "zho_Hans": 0.25}]


def test_a_real_model_is_understood(tmp_path):
    pytest.importorskip("fasttext", reason="fasttext is not installed: pip install 'semreward[detect]'")
    # fastText does not clear the memory of small matrices and trains on what it finds there; a larger one is clear.
    script = (
        "import sys, fasttext\nlines = ['__label__bod_Tibt བོད ཡིག', '__label__dzo_Tibt ང་ ཨིན'] * 200\n"
        "open(sys.argv[1] + '.txt', 'w', encoding='utf-8').write('\\n'.join(lines))\n"
        "model = fasttext.train_supervised(sys.argv[1] + '.txt', epoch=30, wordNgrams=2, bucket=20_000, verbose=0)\n"
        "model.save_model(sys.argv[1])"
    )
    path = str(tmp_path / "model.bin")
    subprocess.run([sys.executable, "-c", script, path], check=True)
    texts = ["བོད ཡིག", "ང་ ཨིན"]
    assert min(probabilities_of(FastTextDetector(path), texts, ["bo", "dz"])) > 0.9


def test_a_library_that_fasttext_misses_is_not_taken_for_it(monkeypatch, tmp_path):
    def missing(name):
        raise ModuleNotFoundError("No module named 'pybind11'", name="pybind11")

    monkeypatch.setattr("importlib.import_module", missing)
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ModuleNotFoundError, match="pybind11"):
        FastTextDetector(tmp_path / "model.bin")(["ཀ"])
