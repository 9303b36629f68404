"""JUnit XML, as GitLab, Jenkins, CircleCI and Buildkite read it: a suite per benchmark, a case per gate or figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET

from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.document import ComparisonDocument
from evalharness.comparison.flips import FlippedItem
from evalharness.report import numbers, words
from evalharness.report.cautions import without_interval
from evalharness.report.escape import line, printable
from evalharness.runs.figures import Summary

_SHOWN = 10


def comparison_junit(document: ComparisonDocument, *, samples: bool = False) -> bytes:
    """Worse is a failure, not comparable and incomplete are errors, can't tell passes and says so.

    With `samples` every sample that broke, of those shown, is a case of its own.
    """
    return junit_of(comparison_suites(document, samples=samples))


def comparison_suites(document: ComparisonDocument, *, samples: bool = False, of: str = "") -> list[ET.Element]:
    """A suite for each task; `of` goes before its name."""
    return [_suite(document, task, samples, f"{of}{line(task.benchmark)}") for task in document.tasks]


def _suite(document: ComparisonDocument, task: TaskComparison, samples: bool, name: str) -> ET.Element:
    suite = ET.Element("testsuite", name=name)
    properties = {"verdict": task.verdict, "gate": task.gate, "margin_points": f"{100 * task.margin:.4g}"}
    if task.difference is not None:
        properties |= _points(
            {"difference": task.difference, "low": task.low, "high": task.high, "detectable": task.detectable}
        )
        counted = {"n": task.n, "missing": task.missing, "fixed": task.fixed, "broke": task.broke}
        properties |= {key: str(number) for key, number in counted.items()}
    inside = ET.SubElement(suite, "properties")
    for key, value in properties.items():
        ET.SubElement(inside, "property", name=key, value=value)
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"evalh.{name}",
        name=f"{line(task.metric or 'comparison')} vs {line(words.side_title(document.base))}",
        time=_seconds(document),
    )
    message = words.sentence(document, task)
    counts = task.tier != "advisory"  # one that is advisory is shown and never fails
    if counts and task.verdict == "worse":
        failure = ET.SubElement(case, "failure", type="regression", message=line(message, 400))
        failure.text = printable("\n".join(_broken(task)))
    elif counts and task.verdict in ("not comparable", "incomplete"):
        ET.SubElement(case, "error", type=task.verdict, message=line(task.reason, 400))
    elif counts and task.gate == "fail":
        ET.SubElement(case, "failure", type="gate", message=line(task.reason, 400))
    ET.SubElement(case, "system-out").text = printable(f"{task.symbol} {task.verdict}: {task.reason}\n{message}")
    for one in task.samples if samples else ():
        if one.change == "broke":
            single = ET.SubElement(suite, "testcase", classname=f"evalh.{name}.samples", name=line(one.id))
            ET.SubElement(single, "failure", type="flip", message=_flip(one)).text = printable(one.new_text)
    return suite


def _seconds(document: ComparisonDocument) -> str:
    return f"{0 if document.new.usage is None else document.new.usage.seconds:.3f}"


def _points(shares: Mapping[str, float | None]) -> dict[str, str]:
    return {key: f"{100 * share:.4f}" for key, share in shares.items() if share is not None}


def _broken(task: TaskComparison) -> list[str]:
    return [f"{line(one.id)}: {_flip(one)}" for one in task.samples if one.change == "broke"][:_SHOWN]


def _flip(one: FlippedItem) -> str:
    was, now = (line(said, 80) for said in (one.base_answer or one.base_text, one.new_answer or one.new_text))
    return f"gold {line(one.gold, 80)!r}, was {was!r}, now {now!r} ({one.new_status})"


def run_junit(summary: Summary) -> bytes:
    """One case per benchmark; failed requests are an error, for the score is then not whole."""
    suites = []
    for name, entry in summary.benchmarks.items():
        suite = ET.Element("testsuite", name=line(name))
        case = ET.SubElement(suite, "testcase", classname=f"evalh.{line(name)}", name="whole", time="0")
        errors = entry.counts.get("error", 0)
        if errors:
            ET.SubElement(case, "error", type="error", message=f"{errors} requests failed")
        figures = [
            f"{line(metric)} {one.value} ({'no interval' if without_interval(one) else f'{one.low} … {one.high}'})"
            for metric, one in entry.metrics.items()
        ]
        figures += [f"programs: {numbers.programs(entry.programs)}"] if entry.programs else []
        ET.SubElement(case, "system-out").text = printable("\n".join(figures))
        suites.append(suite)
    return junit_of(suites)


def junit_of(suites: Iterable[ET.Element]) -> bytes:
    """The file of some suites, counted."""
    root = ET.Element("testsuites", name="evalh")
    for suite in suites:
        _count(suite)
        root.append(suite)
    _count(root)
    ET.indent(root, " ")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _count(element: ET.Element) -> None:
    for attribute, path in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        element.set(attribute, str(len(list(element.iter(path)))))
    element.set("time", f"{sum(float(case.get('time', 0)) for case in element.iter('testcase')):.3f}")
