"""From records to pages: the templates, what they may call, and the addresses that they link to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from evalharness.records import ResultKey
from evalharness.report import charts, drawn_figures, numbers, worddiff, words
from evalharness.report.escape import line, printable
from evalharness.web.journal_index import ResultFilter

if TYPE_CHECKING:
    from evalharness.text.templating import Environment

EVENTS = "text/event-stream"
ASSETS = Path(__file__).parent / "assets"
REPORTS = ASSETS.parents[1] / "report"  # figures are drawn in pages as they are in reports
ASSET_KINDS = {"style.css": "text/css", "keys.js": "text/javascript", "icon.svg": "image/svg+xml"}


@cache
def asset_bytes(name: str) -> bytes:
    """Style, script or icon."""
    return (ASSETS / name).read_bytes()


class Links:
    """The addresses of the pages. Every state of a page is in its address."""

    live = True  # pages come from a server: forms are answered, and what goes on is told

    def asset(self, name: str) -> str:
        """Style, script or icon, by a name that changes with what is in it."""
        return f"/assets/{hashlib.sha256(asset_bytes(name)).hexdigest()[:16]}/{name}"

    def home(self, **asked: str) -> str:
        return _with("/", asked)

    def run(self, key: str, wanted: ResultFilter | None = None, **asked: object) -> str:
        return _with(f"/runs/{key}", {**filter_fields(wanted), **asked})

    def item(self, key: str, result: ResultKey, wanted: ResultFilter | None = None, **asked: object) -> str | None:
        """The page of one result, inside the filter that it was found with."""
        return _with(f"/runs/{key}/item", {**_result_fields(result), **filter_fields(wanted), **asked})

    def whole(self, key: str, result: ResultKey, part: str) -> str | None:
        """One long text of a result as a file."""
        return _with(f"/runs/{key}/text", {**_result_fields(result), "part": part})

    def prompt(self, key: str, result: ResultKey, wanted: ResultFilter | None = None) -> str | None:
        """The prompt of one result token by token."""
        return _with(f"/runs/{key}/prompt", {**_result_fields(result), **filter_fields(wanted)})

    def compare(self, keys: Sequence[str], **asked: object) -> str | None:
        return _with("/compare", {"run": list(keys), **asked})


def _result_fields(result: ResultKey) -> dict[str, object]:
    benchmark, identity, repeat = result
    return {"of": benchmark, "id": identity, "repeat": repeat or ""}


def filter_fields(wanted: ResultFilter | None) -> dict[str, str]:
    """A filter as fields of an address; what is not asked for is left out."""
    if wanted is None:
        return {}
    named = {"benchmark": wanted.benchmark, "group": wanted.group, "status": wanted.status, "text": wanted.text}
    return {name: value for name, value in named.items() if value} | ({"suspect": "1"} if wanted.suspect else {})


def _with(path: str, asked: Mapping[str, object]) -> str:
    """An address; half of a surrogate pair, which no address can hold, is one that leads nowhere."""
    given = {name: value for name, value in asked.items() if value not in ("", None)}
    query = urlencode(given, doseq=True, errors="replace", quote_via=quote)
    return f"{path}?{query}" if query else path


def _safe(value: object) -> object:
    """Plain text without control characters, marks of direction and what has no width; our own SVG as it is."""
    return printable(value) if type(value) is str else value


def server_event(told: Mapping[str, object]) -> str:
    """One event of a stream, as `keys.js` reads it."""
    return f"data: {json.dumps(told)}\n\n"


def thousands(number: int) -> str:
    """1,234,567."""
    return f"{number:,}"


class PageMaker:
    """Makes pages: templates are escaped by the engine, and an undefined name is an error."""

    def __init__(self, links: Links, layout: str = "base.html.j2") -> None:
        self.links, self._layout = links, layout
        self._environment = self._made()

    def _made(self) -> Environment:
        from jinja2 import FileSystemLoader, StrictUndefined

        from evalharness.text.templating import Environment

        made = Environment(
            loader=FileSystemLoader([ASSETS, REPORTS]), autoescape=True, undefined=StrictUndefined, finalize=_safe,
            trim_blocks=True, lstrip_blocks=True, filters={"line": line, "thousands": thousands},
        )  # fmt: skip
        made.globals.update(
            links=self.links,
            layout=self._layout,
            charts=charts,
            drawn=drawn_figures,
            w=words,
            t=numbers,
            diff=worddiff.parts,
        )
        return made

    def page(self, template: str, **values: object) -> str:
        """One page as HTML."""
        return self._environment.get_template(template).render(**values)
