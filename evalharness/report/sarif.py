"""SARIF 2.1.0, as code scanning of GitHub, Azure DevOps and editors read it: a result for each task that is not fine.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Code scanning refuses a file in which a result has no
location: where no file is known it is named after the benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import evalharness
from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.document import ComparisonDocument
from evalharness.report import words
from evalharness.report.escape import line

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# Each rule: what is wrong, and what to do about it.
_RULES: Mapping[str, tuple[str, str]] = {
    "worse": (
        "The new run is worse than the baseline by more than the margin.",
        "Look at the items that broke in the report, and mend the change; or set the baseline again, on purpose.",
    ),
    "gate-failed": (
        "A rule of the gate is broken: a floor, a ceiling, a limit, or suspect programs.",
        "The message names the rule and the figure; the rules stand in the suite.",
    ),
    "not-comparable": (
        "The two runs cannot be compared.",
        "Another prompt, data or judge than the baseline's: set the baseline again once that is what is wanted.",
    ),
    "incomplete": ("Too many items have no value.", "Give the same command again: it asks what has no answer."),
    "no-verdict": (
        "There is no verdict: something is wrong with the suite, a model or the baseline.",
        "The message says what was wanted and what there is.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SarifResult:
    """One result of the file. `named` tells it from the others, and finds it again in a later file; `file` is where it
    is shown, relative to the repository."""

    rule: str
    level: Literal["error", "warning", "note"]
    said: str
    named: str
    file: str


def sarif_of(findings: Iterable[SarifResult]) -> str:
    """The file of some findings."""
    rules = [
        {"id": rule, "shortDescription": {"text": text}, "fullDescription": {"text": text}, "help": {"text": advice}}
        for rule, (text, advice) in _RULES.items()
    ]
    driver = {"name": "evalh", "version": evalharness.__version__, "rules": rules}
    runs = [{"tool": {"driver": driver}, "results": [_result(one) for one in findings]}]
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}, indent=1) + "\n"


def comparison_findings(name: str, document: ComparisonDocument, files: Mapping[str, str]) -> Iterator[SarifResult]:
    """What a comparison found of the model of this name ('': there is one only); `files` are those that the benchmarks'
    prompts stand in."""
    for task in document.tasks:
        if (rule := broken_rule(task)) is None:
            continue
        said = words.sentence(document, task) if rule == "worse" else f"{task.benchmark}: {task.reason}"
        yield SarifResult(
            rule=rule, level="note" if task.tier == "advisory" else level_of(rule),
            said=f"{name}: {said}" if name else said, named=f"{name}/{task.benchmark}",
            file=files.get(task.benchmark, task.benchmark),
        )  # fmt: skip


def level_of(rule: str) -> Literal["error", "warning"]:
    """How grave a broken rule is."""
    return "error" if rule in ("worse", "gate-failed") else "warning"


def broken_rule(task: TaskComparison) -> str | None:
    """Which of the rules a task breaks; None where all is fine or open."""
    if task.verdict == "worse":
        return "worse"
    if task.verdict in ("not comparable", "incomplete"):
        return task.verdict.replace(" ", "-")
    return "gate-failed" if task.gate == "fail" else None


def _result(found: SarifResult) -> dict[str, object]:
    uri = quote(found.file.encode("utf-8", "replace"))
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}
    return {
        "ruleId": found.rule, "level": found.level, "message": {"text": line(found.said, 1000)},
        "locations": [place], "partialFingerprints": {"task": line(found.named, 200)},
    }  # fmt: skip
