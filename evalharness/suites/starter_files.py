"""The files with which a project begins: a suite, a benchmark and a judge of one's own, and the gate in CI."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, cast, get_args

from evalharness.data.files import write_whole
from evalharness.errors import UserError, nearest, option_name

CiService = Literal["github", "gitlab", "none"]
_TEMPLATES = Path(__file__).with_name("starter")
_COMPUTED_HERE = ("tiny", "local")
_KEYS: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY",
}  # fmt: skip
_IGNORED = ("runs/", "evalh-report/")  # what is made anew each time; baselines are committed
_PLACES: Mapping[CiService, str] = {
    "github": ".github/workflows/evals.yml",
    "gitlab": "evalh.gitlab-ci.yml",
    "none": "",
}


def ci_service(word: str) -> CiService:
    """The service that a word names. UserError where it is none."""
    if word not in get_args(CiService):
        raise UserError(
            f"{option_name('ci')} {word!r}{nearest(word, get_args(CiService))}: wanted github, gitlab or none"
        )
    return cast(CiService, word)


def required(model: str) -> str:
    """What pip is to install in CI for this model: the version that runs here, from where it was installed."""
    extras = "[local]" if model.partition(":")[0] in _COMPUTED_HERE else ""
    source = _source()
    if (repository := source.get("vcs_info")) is not None:
        return f"evalharness{extras} @ {repository['vcs']}+{source['url']}@{repository['commit_id']}"
    return f"evalharness{extras}=={metadata.version('evalharness')}"


def from_a_folder() -> bool:
    """Whether what runs here was installed from a folder of this machine, so that a registry may not have it."""
    return str(_source().get("url", "")).startswith("file:")


def _source() -> dict[str, Any]:
    """Where pip found what runs here (PEP 610); nothing where that was a registry."""
    try:
        found: dict[str, Any] = json.loads(metadata.distribution("evalharness").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return {}
    return found


def write_starter(folder: Path, model: str, ci: CiService) -> list[Path]:
    """Write the files below `folder`, the workflow where the service looks for it, and tell git what to leave alone.
    UserError, before anything is written, where one of them is there."""
    if folder.is_absolute() or ".." in folder.parts:
        raise UserError(f"{folder}: wanted a folder of this project, such as evals: CI starts here")
    names = ("suite.yaml", "my_bench.yaml", "my_bench.jsonl", "my_judge.yaml")
    wanted = {folder / name: name for name in names}
    if ci != "none":
        wanted[Path(_PLACES[ci])] = f"{ci}.yml"
    if there := [path for path in wanted if path.exists()]:
        raise UserError(f"{there[0]}: is there already, and nothing is written over; name another folder")
    said = {
        "@FOLDER@": folder.as_posix(), "@MODEL@": model, "@SUITE@": shlex.quote((folder / "suite.yaml").as_posix()),
        "@REQUIREMENT@": required(model), "@KEY@": _KEYS.get(model.partition(":")[0], ""),
    }  # fmt: skip
    texts = {path: _filled(name, said) for path, name in wanted.items()}
    texts |= _ignoring(Path(".gitignore"))
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return list(texts)


def _filled(name: str, said: Mapping[str, str]) -> str:
    """A template with what is said in place of its marks; without the lines of a key that the model does not want."""
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    if not said["@KEY@"]:
        text = re.sub(r"(?m)^ *@KEY@.*\n", "", text)
        text = re.sub(r"(?m)^( *)env:\n(?!\1 )", "", text)
    for mark, value in said.items():
        text = text.replace(mark, value)
    return text


def _ignoring(file: Path) -> dict[Path, str]:
    """The file with the folders that git is to leave alone, or nothing where it names them already."""
    try:
        there = file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from error
    named = {line.strip().strip("/") for line in there.splitlines()}
    missing = [f"{folder}\n" for folder in _IGNORED if folder.strip("/") not in named]
    gap = "" if there.endswith("\n") or not there else "\n"
    return {file: there + gap + "".join(missing)} if missing else {}


def installed_at(service: CiService) -> str:
    """Where the workflow that was written says what pip installs: `FILE, lines 24 and 44`."""
    lines = Path(_PLACES[service]).read_text(encoding="utf-8").splitlines()
    found = [str(number) for number, line in enumerate(lines, 1) if "pip install" in line]
    return f"{_PLACES[service]}, line{'s' if len(found) > 1 else ''} {' and '.join(found)}"
