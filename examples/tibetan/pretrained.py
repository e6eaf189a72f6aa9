"""Pretrained models and real text: from a folder or from the hub, and an error that names what is missing."""

from pathlib import Path

import babel
import httpx2
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from semreward.errors import ArgumentError
from semreward.files import COLUMN
from tibetan.arguments import Settings
from tibetan.data import local_path

FOLDER = {
    "model_name_or_path": "policy",
    "encoder": "encoder",
    "held_out_encoder": "judge",
    "language_detector": "lid.176.ftz",
    "train_data": "data/multi30k/train.{column}.gz",
    "test_data": "data/multi30k/test_2016_flickr.{column}.gz",
    "reading_data": "data/xquad/xquad.en.json",
    "drift_data": "data/xquad/xquad.en.json",
}
"""Argument -> its path in the folder `real`."""

HUB_TIMEOUT_S = 10


def use_pair(settings: Settings) -> Settings:
    """The run with columns, target language and prompt of a pair such as `fr-en`."""
    pair = settings.run.pair
    if pair is None:
        return settings
    try:
        source, target = pair.split("-")
        names = [str(babel.Locale.parse(code).get_language_name("en")) for code in (source, target)]
    except (ValueError, babel.UnknownLocaleError) as error:
        raise ArgumentError(f"`pair` must be two language codes, such as fr-en, got {pair!r}") from error
    prompt = settings.data.prompt.replace("{from}", names[0]).replace("{to}", names[1])
    return settings.replace(source_column=source, target_column=target, target_language=target, prompt=prompt)


def use_folder(settings: Settings) -> Settings:
    """The run with the models and the data of the folder `real`; an error names the files that it lacks."""
    if settings.run.real is None:
        return settings
    paths = {name: str(Path(settings.run.real) / path) for name, path in FOLDER.items()}
    columns = (settings.data.source_column, settings.data.target_column)
    needed = {path.replace(COLUMN, column) for path in paths.values() for column in columns}
    if missing := sorted(path for path in needed if not Path(path).exists()):
        contents = ", ".join(dict.fromkeys(FOLDER.values()))
        raise ArgumentError(f"`real` must hold {contents}; {', '.join(missing)} does not exist")
    return settings.replace(**paths)


def use_detector(settings: Settings) -> Settings:
    """The run with the path of a language detector that was named as `owner/repository/file` of the hub."""
    name = settings.reward.language_detector
    if name is None or Path(name).exists() or name.count("/") != 2:  # noqa: PLR2004 - owner/repository/file
        return settings
    repository, _, file = name.rpartition("/")
    return settings.replace(language_detector=huggingface_hub.hf_hub_download(repository, file))


def check_network(settings: Settings) -> None:
    """Download data that URLs name, and ask the hub once for every model that is neither a path nor in the cache.

    If one of them does not exist or cannot be reached, an `ArgumentError` names the argument.
    """
    data = settings.data
    for argument in ("train_data", "test_data", "reading_data", "drift_data"):
        try:
            local_path(getattr(data, argument) or "", (data.source_column, data.target_column))
        except ArgumentError as error:  # noqa: PERF203 - it ends the loop
            raise ArgumentError(f"`{argument}`: {error}: --{argument} PATH") from error
    _check_model("model_name_or_path", settings.policy.model_name_or_path)
    _check_model("encoder", settings.encoders.encoder)
    _check_model("held_out_encoder", settings.encoders.held_out_encoder)
    detector = settings.reward.language_detector
    if detector is not None and not Path(detector).exists():
        _check_model("language_detector", detector.rpartition("/")[0], file="model.bin")


def _check_model(argument: str, name: str | None, *, file: str = "config.json") -> None:
    if name is None or Path(name).exists() or isinstance(huggingface_hub.try_to_load_from_cache(name, file), str):
        return
    try:
        huggingface_hub.HfApi().model_info(name, timeout=HUB_TIMEOUT_S)
    except (OSError, httpx2.HTTPError, OfflineModeIsEnabled, HfHubHTTPError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ArgumentError(
            f"`{argument}` is {name!r}, which is not a local path, and the hub does not give it ({reason}); "
            f"name a local path: --{argument} PATH"
        ) from error
