"""`semreward doctor`: what it says of an encoder and of data, and its exit code."""

import shutil

import pytest

from semreward.cli import commands


@pytest.fixture
def pairs(rows, captions):
    """A file of Chinese-Tibetan pairs, with changes."""

    def write(*changed):
        return rows(*({"zh": zh, "bo": bo} for zh, bo in captions[:10]), *changed)

    return write


@pytest.fixture
def diagnose(run, trained_folder):
    """Runs doctor on the pairs."""

    def diagnose(data, *options):
        columns = ["--source-column", "zh", "--reference-column", "bo"]
        return run("doctor", "--encoder", trained_folder, "--data", data, *columns, *options)

    return diagnose


def row_of(name, out):
    return next(line for line in out.splitlines() if line.startswith(name)).removeprefix(name).strip()


def test_a_sound_encoder_and_sound_data_are_fine(diagnose, pairs):
    code, out, _ = diagnose(pairs(), "--language", "bo")
    assert (code, out.splitlines()[-1][:14]) == (0, "No fault found")
    assert row_of("references", out) == "10, 10 of them distinct"
    assert row_of("language", out) == "100.0% of references in the script of bo alone"
    assert row_of("shared script", out) == "0.0% of sources pass as bo"


def test_without_data_it_looks_at_the_encoder(run, trained_folder):
    code, out, _ = run("doctor", "--encoder", trained_folder, "--prompt", "query: ")
    assert (code, row_of("prompt", out)) == (0, "'query: '")


def test_an_encoder_of_another_kind_is_told_with_exit_code_1(run, policy_folder):
    code, out, _ = run("doctor", "--encoder", policy_folder)
    assert code == 1
    assert "is a language model" in out.splitlines()[-1]


def test_references_in_another_script_are_told(diagnose, pairs):
    code, out, _ = diagnose(pairs({"zh": "三", "bo": "three"}), "--language", "bo")
    assert code == 1
    assert "9% of the references are not in the script of bo alone, such as ['three']" in out


def test_a_shared_script_is_told(diagnose, pairs):
    code, out, _ = diagnose(pairs(), "--language", "bo", "--source-column", "bo")
    assert code == 1
    assert "the language reward pays copies: pass it a detector" in out.splitlines()[-1]


@pytest.mark.parametrize(("label", "code"), [("bo", 0), ("dz", 1)])
def test_a_detector_that_does_not_know_the_language_is_told(diagnose, pairs, monkeypatch, label, code):
    monkeypatch.setattr(commands, "FastTextDetector", lambda path: lambda texts: [label for _ in texts])
    options = ["--language", "bo", "--detector", "lid.bin", "--source-column", "bo"]
    found, out, _ = diagnose(pairs(), *options)
    assert (found, "use one that knows it" in out) == (code, bool(code))


def test_references_may_be_several_and_sources_messages(diagnose, rows, captions):
    messages = [{"role": "user", "content": captions[0][0]}]
    code, out, _ = diagnose(rows({"zh": messages, "bo": [captions[0][1], captions[1][1]]}), "--language", "bo")
    assert (code, row_of("references", out)) == (0, "2, 2 of them distinct")


def test_the_policys_tokens_are_counted(diagnose, pairs, policy_folder):
    _, out, _ = diagnose(pairs(), "--tokenizer", policy_folder)
    assert "a reference" in row_of("policy's tokens", out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--language", "bo"], "need --data"),
        (["--data", "rows.jsonl", "--detector", "lid.bin"], "--detector needs --language"),
        (["--data", "rows.jsonl", "--reference-column", "de"], "must have a column `de`"),
        (
            ["--data", "rows.jsonl", "--reference-column", "bo"],
            "`bo` must be a non-empty string or a list of them, got '' at row 11",
        ),
    ],
)
def test_wrong_usage_is_told_on_one_line(run, trained_folder, pairs, options, message):
    pairs({"zh": "三", "bo": ""})
    code, out, err = run("doctor", "--encoder", trained_folder, *options)
    assert (code, out, message in err) == (2, "", True)


def test_a_missing_layer_is_told(run, trained_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(trained_folder, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "output.dense" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    code, out, _ = run("doctor", "--encoder", folder)
    assert (code, "lacks weights" in out) == (1, True)
