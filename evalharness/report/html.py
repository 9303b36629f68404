"""One self-contained HTML page: opens from a file, loads nothing, runs nothing, reads in light and dark.

Every string is made printable and escaped by the template engine; the page's own policy forbids scripts, images, and
any style but the one whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.comparison.document import ComparisonDocument
from evalharness.comparison.flips import TEXT_LIMIT, gold_text
from evalharness.comparison.history import History
from evalharness.comparison.ranking import Ranking
from evalharness.report import charts, numbers, suite_words, worddiff, words
from evalharness.report.drawn_figures import comparison_figures
from evalharness.report.escape import printable
from evalharness.report.figures import Drawing
from evalharness.report.fitted import name_parts
from evalharness.runs.figures import Summary
from evalharness.runs.manifest import Manifest
from evalharness.suites.ci import GatedSuite

if TYPE_CHECKING:
    from markupsafe import Markup

    from evalharness.text.templating import Environment

HERE = Path(__file__).parent
_SHOWN = 100
_LONG = 16  # characters of a word that always fits beside others


def _safe(value: object) -> object:
    """Plain text without control characters; SVG of ours as it is."""
    return printable(value) if type(value) is str else value


def breakable(text: str) -> Markup:
    """Text whose long names may be broken between their parts, and only there."""
    from markupsafe import Markup, escape

    def parts(word: str) -> Markup:
        return Markup("<wbr/>").join(map(escape, name_parts(word) if len(word) > _LONG else [word]))

    return Markup("").join(map(parts, re.split(r"(\s+)", printable(text))))


def page_environment() -> Environment:
    """The template engine: autoescaped, and an undefined name is an error."""
    from jinja2 import FileSystemLoader, StrictUndefined

    from evalharness.text.templating import Environment

    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breakable"] = breakable
    made.globals.update(w=words, charts=charts, diff=worddiff.parts, t=numbers)
    return made


def _page(template: str, **values: object) -> str:
    from markupsafe import Markup

    style = (HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    found = page_environment().get_template(template)
    return found.render(style=Markup(style), style_hash=digest, **values)  # our own file


def comparison_html(document: ComparisonDocument) -> str:
    """The page of a comparison."""
    figures = comparison_figures(document)
    return _page("comparison.html.j2", d=document, axis=charts.reach(document.tasks), figures=figures)


def evidence_html(title: str, figures: Sequence[Drawing], notes: Sequence[str]) -> str:
    """The page of figures with what a reader must know of them."""
    return _page("evidence.html.j2", title=title, figures=figures, notes=notes)


def suite_html(found: GatedSuite, links: Mapping[str, str]) -> str:
    """The page of a suite; `links` are the pages of its models' comparisons, by name."""
    return _page("suite.html.j2", s=found, links=links, table=suite_words.joint_table(found), said=suite_words)


def ranking_html(found: Ranking, headings: Sequence[str], rows: Sequence[Sequence[str]], told: Sequence[str]) -> str:
    """The page of a table of ranked runs."""
    return _page("ranking.html.j2", found=found, headings=headings, rows=rows, told=told)


def history_html(found: History, rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """The page of a benchmark over time."""
    return _page("history.html.j2", found=found, rows=rows, notes=notes)


def run_html(
    summary: Summary, manifest: Manifest, lines: Iterable[Mapping[str, Any]], figures: Sequence[Drawing] = ()
) -> str:
    """The page of one run: figures, groups, and the first answers that were not right. `lines` are the journal's."""
    wrong = islice((_answer(one) for one in lines if _not_right(one)), _SHOWN)
    return _page("run.html.j2", summary=summary, manifest=manifest, wrong=list(wrong), figures=figures)


def _not_right(line: Mapping[str, Any]) -> bool:
    return line["status"] not in ("correct", "scored")


def _answer(line: Mapping[str, Any]) -> dict[str, str]:
    sample, response = line.get("sample") or {}, line.get("response") or {}
    fields = {
        "benchmark": line["benchmark"],
        "id": line["id"],
        "status": line["status"],
        "question": sample.get("question"),
        "gold": gold_text(sample),
        "answer": line.get("answer"),
        "text": response.get("text") or response.get("error"),
    }
    return {key: str(value or "")[:TEXT_LIMIT] for key, value in fields.items()}
