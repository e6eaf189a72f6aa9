"""Pretrained models and real text: from a folder or from the hub, and a clear word where one of them is missing."""

import dataclasses
from pathlib import Path

import babel
import httpx2
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from semreward.errors import ArgumentError
from tibetan.arguments import Settings
from tibetan.data import local_path

FOLDER = {
    "policy": "policy",
    "encoder": "encoder",
    "held_out_encoder": "judge",
    "language_detector": "lid.176.ftz",
    "train_data": "data/multi30k/train.{column}.gz",
    "test_data": "data/multi30k/test_2016_flickr.{column}.gz",
    "reading_data": "data/xquad/xquad.en.json",
}
"""Argument -> where `real` has what it names."""

HUB_TIMEOUT_S = 10


def use_pair(settings: Settings) -> Settings:
    """The run with columns, target language and prompt of a pair such as `fr-en`.

    Raises:
        ArgumentError: The pair is not two language codes.
    """
    pair = settings.run.pair
    if pair is None:
        return settings
    try:
        source, target = pair.split("-")
        names = [babel.Locale.parse(code).get_language_name("en") for code in (source, target)]
    except (ValueError, babel.UnknownLocaleError) as error:
        raise ArgumentError(f"`pair` must be two language codes, such as fr-en, got {pair!r}") from error
    prompt = settings.data.prompt.replace("{from}", str(names[0])).replace("{to}", str(names[1]))
    data = dataclasses.replace(
        settings.data, source_column=source, target_column=target, target_language=target, prompt=prompt
    )
    return dataclasses.replace(settings, data=data)


def use_folder(settings: Settings) -> Settings:
    """The run with the models and the data of the folder `real`.

    Raises:
        ArgumentError: The folder lacks a file; it is named.
    """
    if settings.run.real is None:
        return settings
    folder = Path(settings.run.real)
    columns = (settings.data.source_column, settings.data.target_column)
    paths = {name: str(folder / place) for name, place in FOLDER.items()}
    wanted = {path.replace("{column}", column) for path in paths.values() for column in columns}
    if missing := sorted(path for path in wanted if not Path(path).exists()):
        raise ArgumentError(f"`real` must hold {', '.join(FOLDER.values())}; {', '.join(missing)} does not exist")
    data = dataclasses.replace(
        settings.data,
        train_data=paths["train_data"],
        test_data=paths["test_data"],
        reading_data=paths["reading_data"],
        drift_data=paths["reading_data"],
    )
    encoders = dataclasses.replace(
        settings.encoders, encoder=paths["encoder"], held_out_encoder=paths["held_out_encoder"]
    )
    reward = dataclasses.replace(settings.reward, language_detector=paths["language_detector"])
    policy = dataclasses.replace(settings.policy, model_name_or_path=paths["policy"])
    return dataclasses.replace(settings, data=data, encoders=encoders, reward=reward, policy=policy)


def use_detector(settings: Settings) -> Settings:
    """The run with the path of a language detector that was named as `owner/repository/file` of the hub."""
    named = settings.reward.language_detector
    if named is None or Path(named).exists() or named.count("/") != 2:  # noqa: PLR2004 - owner/repository/file
        return settings
    owner, repository, file = named.split("/")
    path = huggingface_hub.hf_hub_download(f"{owner}/{repository}", file)
    return dataclasses.replace(settings, reward=dataclasses.replace(settings.reward, language_detector=path))


def check_network(settings: Settings) -> None:
    """Download data that URLs name, and ask the hub once for every model that is neither a path nor in the cache.

    Raises:
        ArgumentError: Something cannot be reached, or does not exist; the argument is named.
    """
    data = settings.data
    for argument in ("train_data", "test_data", "reading_data", "drift_data"):
        try:
            local_path(getattr(data, argument) or "", (data.source_column, data.target_column))
        except ArgumentError as error:  # noqa: PERF203 - it ends the loop
            raise ArgumentError(f"`{argument}`: {error}: --{argument} PATH") from error
    models = {
        "model_name_or_path": settings.policy.model_name_or_path,
        "encoder": settings.encoders.encoder,
        "held_out_encoder": settings.encoders.held_out_encoder,
    }
    if detector := settings.reward.language_detector:
        models["language_detector"] = None if Path(detector).exists() else detector.rpartition("/")[0]
    for argument, name in models.items():
        if name is None or Path(name).exists() or _is_cached(name, "model.bin" if "detector" in argument else None):
            continue
        try:
            huggingface_hub.HfApi().model_info(name, timeout=HUB_TIMEOUT_S)
        except (OSError, httpx2.HTTPError, OfflineModeIsEnabled, HfHubHTTPError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ArgumentError(
                f"`{argument}` is {name!r}, which is no local path, and the hub does not give it ({reason}); "
                f"name a local path: --{argument} PATH"
            ) from error


def _is_cached(name: str, file: str | None) -> bool:
    """Whether a model's configuration, or another file, has been downloaded before."""
    return isinstance(huggingface_hub.try_to_load_from_cache(name, file or "config.json"), str)
