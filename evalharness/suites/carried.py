"""A suite made of another program's configuration, and what of that could not be carried over, line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole
from evalharness.errors import UserError

CHECKS_FIELD, RUBRIC, ID = "checks", "rubric", "id"  # the fields of a row beside the configuration's own
_JUDGE = """# Whether an answer meets the criteria that its row brings along.
rubric:
  prompt: |-
    A question, and an answer to it.
    [Question]: {input}
    [Answer]: {completion}
    [Criteria]: {ideal}
    Does the answer meet all of the criteria?
  choice_strings: ["Yes", "No"]
  choice_scores: {"Yes": 1, "No": 0}
  input_outputs: {input: completion}
"""


@dataclass(frozen=True, kw_only=True)
class CarriedRow:
    """A test: its id, the fields of its question, the checks on the answer, and what a judge is asked about it."""

    id: str
    fields: Mapping[str, Any]
    checks: tuple[Mapping[str, Any], ...] = ()
    rubric: str = ""


@dataclass(frozen=True, kw_only=True)
class CarriedPrompt:
    """A prompt over the fields of the tests: one benchmark of the rows with checks, one of those with a rubric."""

    name: str
    template: str
    rows: tuple[CarriedRow, ...]


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a configuration became: models and options under a suite's keys, prompts with their tests, the judge's
    model, and a line for everything that was left out."""

    name: str
    models: tuple[Mapping[str, Any], ...]
    prompts: tuple[CarriedPrompt, ...]
    options: Mapping[str, Any]
    judge: str
    left_out: tuple[str, ...]


def plain_name(text: str, usual: str) -> str:
    """A text as a name of files and benchmarks."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60].rstrip("-")
    return name or usual


def write_carried(folder: Path, carried: Carried, source: Path) -> list[Path]:
    """Write suite, benchmarks, rows and judge below `folder`. UserError where nothing can be run, or where one of the
    files is there: then nothing is written."""
    import yaml

    files: dict[str, str] = {}
    entries: list[dict[str, Any]] = []
    for prompt in carried.prompts:
        for field, rows in (
            (CHECKS_FIELD, [r for r in prompt.rows if r.checks]),
            (RUBRIC, [r for r in prompt.rows if r.rubric]),
        ):
            if rows:
                name = prompt.name if field == CHECKS_FIELD else f"{prompt.name}-rubric"
                files |= _benchmark(name, prompt.template, field, rows)
                judge = {} if field == CHECKS_FIELD else {"judge": f"rubric.yaml={carried.judge}"}
                entries.append({"benchmark": f"{name}.yaml", **judge})
    if not entries:
        raise UserError(f"{source}: no test of it can be carried over:\n" + "\n".join(carried.left_out))
    if any("judge" in entry for entry in entries):
        files["rubric.yaml"] = _JUDGE
    suite = {
        "name": carried.name,
        "models": [dict(m) if len(m) > 1 else m["model"] for m in carried.models],
        "benchmarks": entries,
        **({"options": dict(carried.options)} if carried.options else {}),
        "no_baseline": "fail",
        "gate": {"policy": "block-on-fail"},
    }
    files["suite.yaml"] = f"# Made from {source.name}. docs/ci.md has all keys.\n" + yaml.safe_dump(
        suite, sort_keys=False, allow_unicode=True, width=120
    )
    if there := [folder / name for name in files if (folder / name).exists()]:
        raise UserError(f"{there[0]}: is there already, and nothing is written over; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_whole(folder / name, text)
    return [folder / name for name in files]


def _benchmark(name: str, template: str, field: str, rows: Sequence[CarriedRow]) -> dict[str, str]:
    """A benchmark's YAML and its rows, by file name."""
    import yaml

    taken = {key for row in rows for key in row.fields}
    own, number = _free(field, taken), _free(ID, taken)
    every = dict.fromkeys(key for row in rows for key in row.fields)
    lines = [
        {
            number: row.id,
            **{key: row.fields.get(key, "") for key in every},  # a variable that a test does not set is empty
            own: list(row.checks) if field == CHECKS_FIELD else row.rubric,
        }
        for row in rows
    ]
    scored = (
        {"scorer": CHECKS_FIELD, "checks": own} if field == CHECKS_FIELD else {"judge": "rubric.yaml", "answers": own}
    )
    said = {"name": name, "source": f"{name}.jsonl", "template": template, "id": number, **scored}
    return {
        f"{name}.yaml": yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120),
        f"{name}.jsonl": "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines),
    }


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it that no field has."""
    while name in taken:
        name += "_"
    return name
