"""Reports in Markdown: the pull-request comment, the job summary, and the table of one run.

Whatever comes from a model or a file goes through `escape.markdown`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.document import ComparisonDocument
from evalharness.report import numbers, words
from evalharness.report.cautions import interval_cautions
from evalharness.report.escape import markdown, plain_references, printable
from evalharness.runs.figures import Summary
from evalharness.runs.manifest import Manifest

COMMENT_LIMIT = 60_000  # GitHub cuts at 65,536 characters
SUMMARY_LIMIT = 900_000  # of GitHub's 1 MiB a step, in bytes
NBSP = "\N{NO-BREAK SPACE}"  # so that a narrow page does not break a figure in two
SAMPLES = (10, 5, 3, 1, 0)
SUMMARY_SAMPLES = (50, 20, *SAMPLES)


def marker(key: str) -> str:
    """The first line of a comment, by which it is found again. The key is ours; whatever else is in it is dropped."""
    kept = "".join(c for c in key if c.isalnum() or c in "._-")[:60] or "default"
    return f"<!-- evalh:report key={kept} v=1 -->"


def comment_markdown(document: ComparisonDocument, *, key: str = "default", link: str = "") -> str:
    """The comment on a pull request. Where it grows too long the samples get fewer; the table stays."""
    return _fitting(document, marker(key), link, SAMPLES, COMMENT_LIMIT)


def job_summary(document: ComparisonDocument, *, link: str = "") -> str:
    """The same for a job's summary page, with more samples."""
    return _fitting(document, "", link, SUMMARY_SAMPLES, SUMMARY_LIMIT)


def _fitting(document: ComparisonDocument, first: str, link: str, samples: tuple[int, ...], limit: int) -> str:
    text = ""
    for shown in samples:
        text = "\n".join([*([first] if first else []), *comparison_lines(document, shown, link)]) + "\n"
        if len(text.encode("utf-8", "replace")) <= limit:
            break
    return text


def comparison_lines(document: ComparisonDocument, samples: int, link: str, heading: str = "###") -> Iterator[str]:
    """The comparison, line by line, with so many samples a task and direction."""
    yield f"{heading} {document.symbol} evalh: {markdown(words.tally(document))}"
    lead = words.leading(document)
    yield f"**{markdown(words.sentence(document, lead), 400)}**"
    yield ""
    yield f"Gate: **{markdown(words.gate_sentence(document), 400)}**" if document.gated else "No gate was asked for."
    yield ""
    yield from _table(document)
    yield ""
    for task in document.tasks:
        for change in ("broke", "fixed"):
            yield from _samples(task, change, samples)
        yield from _slices(task)
    yield from _details("What the verdicts rest on", [f"- {markdown(one, 500)}" for one in words.remarks(document)])
    yield from _details("Cost, time, what was compared", list(_compared(document, link)))


def _table(document: ComparisonDocument) -> Iterator[str]:
    change = f"Δ points ({words.level(document)} interval)"
    yield f"| | task | n | base | new | {change} | fixed / broke | detectable | margin |"
    yield "|:--|:--|--:|--:|--:|--:|--:|--:|--:|"
    for task in document.tasks:
        metric = f" `{_code(task.metric)}`" if task.metric else ""
        name = f"{task.symbol}{NBSP}{task.verdict} | {markdown(task.benchmark)}{metric}"
        if task.difference is None:
            yield f"| {name} | – | – | – | – | – | – | {100 * task.margin:.4g} |"
            continue
        change = f"**{words.points(task.difference)}** ({words.format_interval(task)})".replace(" ", NBSP)
        sides = (words.items(task), words.percent(task.base), words.percent(task.new))
        flips = f"{task.fixed:,} / {task.broke:,}".replace(" ", NBSP)
        figures = (*sides, change, flips, words.percent(task.detectable), f"{100 * task.margin:.4g}")
        yield f"| {name} | {' | '.join(figures)} |"


def _code(name: str) -> str:
    """A name fit to stand between backticks in a table."""
    return "".join(c for c in printable(name) if c.isalnum() or c in "._-/@ ,")[:60]


def _samples(task: TaskComparison, change: str, limit: int) -> Iterator[str]:
    these = [one for one in task.samples if one.change == change][:limit]
    if not these:
        return
    name = markdown(task.benchmark)
    flips = task.broke if change == "broke" else task.fixed
    summary = f"{len(these):,} of {words.count(flips, 'sample')} that {_verb(change)} in {name}"
    rows = ["| id | gold | base said | new says |", "|:--|:--|:--|:--|"]
    for one in these:
        flaky = " (flaky)" if one.flaky else ""
        was = _said(one.base_status, one.base, one.base_answer, one.base_text)
        now = _said(one.new_status, one.new, one.new_answer, one.new_text)
        cells = (f"{markdown(one.id, 80)}{flaky}", markdown(one.gold, 80), was, now)
        rows.append(f"| {' | '.join(cells)} |")
    yield from _details(summary, rows)


def _verb(change: str) -> str:
    return "broke" if change == "broke" else "got fixed"


def _said(status: str, value: float, answer: str, text: str) -> str:
    mark = "✓" if value > 0.5 else "✗"
    said = "" if status in ("correct", "wrong", "scored") else f" {status}:"
    short = answer if answer and (len(answer) > 3 or not text) else text or answer
    return f"{mark}{said} {markdown(short, 160)}"


def _slices(task: TaskComparison) -> Iterator[str]:
    spots = [one for one in task.slices if one.p < 0.05][:8]
    if not spots:
        return
    rows = ["| slice | n | broke | fixed | Δ points | p (exploratory) |", "|:--|--:|--:|--:|--:|--:|"]
    for one in spots:
        name = f"{markdown(one.field)}: {markdown(one.value, 80)}"
        figures = (f"{one.n:,}", f"{one.broke:,}", f"{one.fixed:,}", words.points(one.difference))
        rows.append(f"| {name} | {' | '.join(figures)} | {markdown(words.p_value(one.p))} |")
    yield from _details(f"Where the broken samples of {markdown(task.benchmark)} concentrate", rows)


def _details(summary: str, lines: list[str]) -> Iterator[str]:
    """A part that is folded away. The blank lines make GitHub read Markdown inside it."""
    if lines:
        yield from (f"<details><summary>{summary}</summary>", "", *lines, "", "</details>", "")


def _compared(document: ComparisonDocument, link: str) -> Iterator[str]:
    for word, side in (("base", document.base), ("new", document.new)):
        said = f"{words.side_title(side)}, model {side.model or '?'}, {side.created or 'no date'}"
        yield f"- {word}: {markdown(said, 300)} ({side.kind})"
    for what, before, after in words.usage(document):
        yield f"- {what}: {markdown(before)} → {markdown(after)}"
    if document.command:
        yield f"- again: {markdown(document.command, 400)}"
    if link.startswith(("https://", "http://")):
        yield f"- full report: <{''.join(c for c in printable(link) if c not in '<> ')}>"


def plain_markdown(text: str) -> str:
    """The same report for readers that know no HTML: nothing folded, characters as they are, and what a model wrote
    still no markup, link or mention."""
    shown = re.sub(r"(?m)^<!--.*-->\n", "", text)
    shown = re.sub(r"<details><summary>(.*)</summary>", r"**\1**", shown).replace("</details>\n", "")
    shown = plain_references(shown).replace(NBSP, " ")
    return re.sub(r"\n{3,}", "\n\n", shown)


def run_markdown(summary: Summary, manifest: Manifest) -> str:
    """The table of one run in Markdown, and what was run."""
    lines = [f"### evalh: {markdown(manifest.name or 'run', 120)}", ""]
    lines += ["| benchmark | mode | metric | n | score | 95 % interval | answers |", "|:--|:--|:--|--:|--:|--:|:--|"]
    for name, entry in summary.benchmarks.items():
        for position, (metric, figure) in enumerate(entry.metrics.items()):
            counts = ", ".join(f"{n:,} {status}" for status, n in entry.counts.items() if n)
            counts += f"; {numbers.programs(entry.programs)}" if entry.programs else ""
            head = (markdown(name), markdown(entry.mode or "")) if position == 0 else ("", "")
            ends = f"{numbers.format_number(figure.low)} … {numbers.format_number(figure.high)}"
            cells = (
                *head,
                markdown(metric),
                f"{figure.n:,}",
                numbers.format_number(figure.value),
                ends,
            )
            lines.append(f"| {' | '.join(cells)} | {markdown(counts) if position == 0 else ''} |")
    said = [(name, one) for name, e in summary.benchmarks.items() for one in (*interval_cautions(e), *e.cautions)]
    lines += ["", *(f"* {markdown(name)}: {markdown(one, 400)}" for name, one in said)] if said else []
    lines += ["", f"model {markdown(manifest.model.name or '?')}, {markdown(manifest.created or '')}", ""]
    return "\n".join(lines)
