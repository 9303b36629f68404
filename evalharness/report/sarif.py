"""SARIF 2.1.0, as code scanning of GitHub, Azure DevOps and editors read it: a result for each task that is not fine.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import evalharness
from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.document import ComparisonDocument
from evalharness.report import words
from evalharness.report.escape import line

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES: Mapping[str, str] = {
    "worse": "The new run is worse than the baseline by more than the margin.",
    "gate-failed": "A rule of the gate is broken: a floor, a ceiling, a limit, or suspect programs.",
    "not-comparable": "The two runs cannot be compared.",
    "incomplete": "Too many items have no value.",
}


def sarif_of(compared: Iterable[tuple[str, ComparisonDocument, Mapping[str, str]]]) -> str:
    """The file of some comparisons: (name, document, the file that each benchmark's prompt stands in)."""
    results = [
        _result(name, document, task, rule, files.get(task.benchmark))
        for name, document, files in compared
        for task in document.tasks
        if (rule := broken_rule(task)) is not None
    ]
    rules = [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()]
    driver = {"name": "evalh", "version": evalharness.__version__, "rules": rules}
    found = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(found, indent=1) + "\n"


def broken_rule(task: TaskComparison) -> str | None:
    """Which of the rules a task breaks; None where all is fine or open."""
    if task.verdict == "worse":
        return "worse"
    if task.verdict in ("not comparable", "incomplete"):
        return task.verdict.replace(" ", "-")
    return "gate-failed" if task.gate == "fail" else None


def _result(
    name: str, document: ComparisonDocument, task: TaskComparison, rule: str, file: str | None
) -> dict[str, object]:
    level = "note" if task.tier == "advisory" else "error" if rule in ("worse", "gate-failed") else "warning"
    of = f"{name}: " if name else ""
    said = words.sentence(document, task) if rule == "worse" else f"{task.benchmark}: {task.reason}"
    place = {"physicalLocation": {"artifactLocation": {"uri": quote(file or "")}, "region": {"startLine": 1}}}
    return {
        "ruleId": rule, "level": level, "message": {"text": line(f"{of}{said}", 1000)},
        "locations": [place] if file else [], "partialFingerprints": {"task": line(f"{name}/{task.benchmark}", 200)},
    }  # fmt: skip
