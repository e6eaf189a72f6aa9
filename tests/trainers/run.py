"""Installs real trainers, each in an environment of its own, drives them, and compares what they pay with direct calls.

    make test-trainers                  # all of them: an hour on two cores, 13 GB
    make test-trainers TRAINER=verl     # one
    python tests/trainers/run.py --no-install verl

Environments, models and records go to `build/trainers`; the table of what ran goes to docs/trainers.md. A trainer's
packages are those of `constraints/<trainer>.txt`; TRL runs in the environment of this script.
"""

import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "trainers.md"
WORK = ROOT / "build" / "trainers"
MARKERS = ("<!-- trainers: begin -->\n", "<!-- trainers: end -->\n")
HEAD = "| trainer | what ran | answers | largest difference | encoder's batches | date |\n|---|---|---|---|---|---|\n"
TOLERANCE = 1e-6
TIMEOUT_S = 1800


class Trainer(NamedTuple):
    """One trainer of the suite."""

    driver: str
    package: str  # whose version the table states
    requirements: tuple[str, ...] = ()  # what pip installs; nothing: the environment of this script has it
    environment: str = ""  # that of another trainer
    bare: str = ""  # installed without its dependencies: OpenRLHF has flash-attn, which is built with CUDA
    removed: str = ""  # a dependency: torchvision as PyPI has it does not load beside a torch without CUDA


VERL = ("verl", "fastapi", "uvicorn")  # the last two are for its router
OPENRLHF_IMPORTS = ("aiohttp", "datasets", "pylatexenc", "ray", "sympy")  # those of its driven part

TRAINERS = {
    "TRL": Trainer("drive_trl.py", "trl"),
    "verl": Trainer("drive_verl.py", "verl", VERL),
    "verl-ray": Trainer("drive_verl_ray.py", "verl", VERL, environment="verl"),
    "verifiers": Trainer("drive_verifiers.py", "verifiers", ("verifiers",)),
    "verifiers-rubric": Trainer("drive_rubric.py", "verifiers", ("verifiers",)),
    "ms-swift": Trainer("drive_swift.py", "ms-swift", ("ms-swift", "msgspec")),
    "OpenRLHF": Trainer("drive_openrlhf.py", "openrlhf", OPENRLHF_IMPORTS, bare="openrlhf"),
    "Unsloth": Trainer("drive_unsloth.py", "unsloth", ("unsloth",), removed="torchvision"),
}

NOT_DRIVEN = {
    "AReaL": "version 1.0.4 requires a torch older than 2.11",
    "slime": "not on PyPI",
}


def main() -> None:
    """Drive the trainers that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainers", nargs="*", metavar="TRAINER", help=f"of {', '.join(TRAINERS)}")
    parser.add_argument("--no-install", action="store_true", help="the environments are there")
    options = parser.parse_args()
    if unknown := set(options.trainers) - TRAINERS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(TRAINERS)}")
    failed = [name for name in options.trainers or TRAINERS if not succeeds(name, installs=not options.no_install)]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def succeeds(name: str, *, installs: bool) -> bool:
    """Install and drive one trainer, and put its rows into the table; a failure is printed."""
    try:
        if installs:
            install(name)
        rows = [compared(name, case) for case in drive(name)]
    except (subprocess.SubprocessError, AssertionError) as error:
        print(f"{name} FAILED: {error}", flush=True)
        return False
    print(*rows, sep="\n", flush=True)
    write_table(name, rows)
    return True


def environment_of(name: str) -> Path:
    """The folder of a trainer's environment."""
    return WORK / (TRAINERS[name].environment or name) / "env"


def python_of(name: str) -> Path:
    """The interpreter of a trainer's environment."""
    return environment_of(name) / "bin" / "python" if TRAINERS[name].requirements else Path(sys.executable)


def install(name: str) -> None:
    """Make a trainer's environment, unless it is there and newer than its constraints."""
    trainer, folder = TRAINERS[name], environment_of(name)
    ready, constraints = folder / "ready", HERE / "constraints" / f"{folder.parent.name}.txt"
    if not trainer.requirements or (ready.exists() and ready.stat().st_mtime > constraints.stat().st_mtime):
        return
    run([sys.executable, "-m", "venv", folder])
    pip = [python_of(name), "-m", "pip", "install", "--quiet", "--constraint", constraints]
    index = os.environ.get("TORCH_INDEX")
    run([*pip, *(["--index-url", index] if index else []), "torch"])
    run([*pip, *trainer.requirements, "--editable", ROOT])
    if trainer.bare:
        run([*pip, "--no-deps", trainer.bare])
    if trainer.removed:
        run([*pip[:3], "uninstall", "--quiet", "--yes", trainer.removed])
    ready.touch()


def drive(name: str) -> list[dict[str, Any]]:
    """Run a trainer's driver; returns the cases that it recorded."""
    folder, modules, models = WORK / name / "run", WORK / name / "modules", WORK / "models"
    run(["rm", "-rf", folder, modules])
    folder.mkdir(parents=True)
    write_modules(modules)
    paths = [modules, HERE, HERE / "stubs" / name, ROOT / "tests", ROOT / "examples", ROOT / "src"]
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "TRAINERS_ENCODER": str(models / "encoder"),
        "TRAINERS_FOLDER": str(folder),
        "TRAINERS_PASSES": str(folder / "passes"),
        "TRAINERS_POLICY": str(models / "policy"),
        "TRAINERS_RESULTS": str(folder / "results.jsonl"),
    }
    os.environ.update({key: environment[key] for key in ("TRAINERS_ENCODER", "TRAINERS_PASSES")})
    if not (models / "policy" / "config.json").exists():
        run([sys.executable, HERE / "models.py", models], env=environment)
    started = time.monotonic()
    run([python_of(name), HERE / TRAINERS[name].driver], env=environment, cwd=folder, timeout=TIMEOUT_S)
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def run(command: Sequence[Any], **options: Any) -> None:
    """Run a command to its end; a failure is an error."""
    subprocess.run([str(part) for part in command], check=True, **options)


def write_modules(folder: Path) -> None:
    """Write the modules of docs/trainers.md as they stand; the encoder and the language are those of the suite."""
    folder.mkdir()
    page = PAGE.read_text(encoding="utf-8")
    for name, content in re.findall(r"^```python title=(\S+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        if name != "my_reward.py":
            here = content.replace('"encoder"', repr(str(WORK / "models" / "encoder"))).replace('"bo"', '"zh"')
            (folder / name).write_text(here, encoding="utf-8")


def compared(name: str, case: dict[str, Any]) -> str:
    """Compare a case with a direct call of the reward; returns its row of the table."""
    sys.path[:0] = [path for path in (str(HERE), str(ROOT / "examples")) if path not in sys.path]
    from my_reward import reward

    rows = case["rows"]
    found = reward.breakdown(completions=[row["answer"] for row in rows], reference=[row["reference"] for row in rows])
    worst = 0.0
    for component in rows[0]["values"]:
        paid = [row["values"][component] for row in rows]
        assert len(set(paid)) > 1, f"{case['what']}: all {component} are {paid[0]}, which shows nothing"
        worst = max([worst, *(abs(value - wanted) for value, wanted in zip(paid, found[component], strict=True))])
    assert math.isfinite(worst), f"{case['what']}: a value is not finite"
    assert worst <= TOLERANCE, f"{case['what']}: {worst:.2g} from a direct call"
    batches = f"{case['passes']} for {case['texts']} texts" if case["passes"] else "not counted"
    if case["processes"] > 1:
        batches += f", {case['processes']} processes"
    return f"| {label_of(name)} | {case['what']} | {len(rows)} | {worst:.1e} | {batches} | {date.today()} |"  # noqa: DTZ011


def label_of(name: str) -> str:
    """A trainer with its version, and those of what decides the numbers."""
    package = TRAINERS[name].package
    if not TRAINERS[name].requirements:
        return f"{name} {metadata.version(package)}"
    code = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([python_of(name), "-c", code], check=True, capture_output=True, text=True)
    return f"{name} {found.stdout.strip()}"


def write_table(name: str, rows: Sequence[str]) -> None:
    """Put a trainer's rows into the page's table; those of other trainers stay."""
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(MARKERS[0])
    old, after = after.split(MARKERS[1])
    known: dict[str, list[str]] = {other: [] for other in [*TRAINERS, *NOT_DRIVEN]}
    for row in old.splitlines():
        trainer = row.removeprefix("| ").split(" ")[0]
        if trainer in TRAINERS and "no finished run" not in row:
            known[trainer].append(row)
    known[name] = list(rows)
    known |= {other: [f"| {other} | not driven: {reason} | | | | |"] for other, reason in NOT_DRIVEN.items()}
    known |= {other: [f"| {other} | no finished run so far | | | | |"] for other, found in known.items() if not found}
    lines = "".join(f"{row}\n" for of_trainer in known.values() for row in of_trainer)
    machine = f"\nPython {platform.python_version()}, {platform.system()}, no GPU.\n"
    PAGE.write_text(f"{before}{MARKERS[0]}{HEAD}{lines}{machine}{MARKERS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
