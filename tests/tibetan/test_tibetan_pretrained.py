import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import datasets
import huggingface_hub
import pytest
import torch

import cpu
from semreward.errors import ArgumentError
from tibetan.arguments import Settings, parse
from tibetan.data import local_path, read_rows
from tibetan.pretrained import check_network, use_folder, use_pair

CONFIG = str(Path(__file__).parents[2] / "examples" / "configs" / "captions.yaml")


def _settings(*arguments: str) -> Settings:
    return parse(["--config", CONFIG, *arguments])[0]


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())


@pytest.fixture
def real(tmp_path: Path) -> Path:
    for column, line in (("fr", "Un chien.\nUn homme.\n"), ("en", "A dog.\nA man.\n")):
        _write(tmp_path, f"data/multi30k/train.{column}.gz", line)
        _write(tmp_path, f"data/multi30k/test_2016_flickr.{column}.gz", line)
    _write(tmp_path, "data/xquad/xquad.en.json", '{"data": [{"paragraphs": [{"context": "A text."}]}]}')
    for name in ("policy/config.json", "encoder/config.json", "judge/config.json", "lid.176.ftz"):
        _write(tmp_path, name, "{}")
    return tmp_path


def test_pair_sets_columns_language_and_prompt() -> None:
    data = use_pair(_settings("--pair", "en-de")).data
    assert (data.source_column, data.target_column, data.target_language) == ("en", "de", "de")
    assert data.prompt == "Translate from English to German: {source}"


@pytest.mark.parametrize("pair", ["fr", "fr-en-de", "fr-xx", "", "-"])
def test_pair_that_is_none_is_refused(pair: str) -> None:
    with pytest.raises(ArgumentError, match="`pair` must be two language codes"):
        use_pair(_settings("--pair", pair))


def test_folder_replaces_every_hub_id(real: Path) -> None:
    settings = use_folder(use_pair(_settings("--real", str(real))))
    assert settings.policy.model_name_or_path == str(real / "policy")
    assert settings.reward.language_detector == str(real / "lid.176.ftz")
    check_network(settings)  # nothing is left to ask for


def test_folder_that_lacks_a_file_names_it(real: Path) -> None:
    (real / "data/multi30k/train.fr.gz").unlink()
    with pytest.raises(ArgumentError, match=r"train\.fr\.gz does not exist"):
        use_folder(use_pair(_settings("--real", str(real))))


@pytest.fixture
def server(real: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(real))) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def test_files_of_a_url_are_downloaded_once(server: str, real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", real / "cache")
    name = f"{server}/data/multi30k/train.{{column}}.gz"
    first = list(read_rows(name, ["fr", "en"]))
    (real / "data/multi30k/train.fr.gz").unlink()
    assert list(read_rows(name, ["fr", "en"])) == first


def test_file_that_a_server_lacks_is_named(server: str, real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", real / "cache")
    with pytest.raises(ArgumentError, match=r"nowhere\.gz' cannot be downloaded \(.*404"):
        local_path(f"{server}/nowhere.gz")


def test_data_that_cannot_be_reached_names_its_argument() -> None:
    settings = use_pair(_settings("--train_data", "http://127.0.0.1:9/train.{column}.gz"))
    with pytest.raises(ArgumentError, match=r"`train_data`: .* cannot be downloaded .* --train_data PATH"):
        check_network(settings)


def test_model_that_cannot_be_reached_names_its_argument(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    settings = use_folder(use_pair(_settings("--real", str(real))))
    settings.encoders.encoder = "org/encoder"
    with pytest.raises(ArgumentError, match=r"`encoder` is 'org/encoder'.*no route to host.*--encoder PATH"):
        check_network(settings)


@pytest.mark.parametrize(
    ("capability", "given", "runs"),
    [("AVX512", "true", True), ("AVX2", "true", False), ("AVX2", "false", False), ("DEFAULT", "true", False)],
)
def test_bfloat16_becomes_float32_where_the_processor_only_emulates_it(
    capability: str, given: str, runs: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert cpu.use_cpu(_settings("--bf16", given)).grpo.bf16 is runs
    assert ("only emulates" in capsys.readouterr().out) is (given == "true" and not runs)


def test_bfloat16_on_a_gpu_stays_whatever_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings("--bf16", "true").replace(use_cpu=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert cpu.use_cpu(settings) is settings
