"""From records to pages: the templates, what they may call, and the addresses that they link to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.responses import Response, StreamingResponse

from evalharness.records import ResultKey
from evalharness.report import charts, drawn_figures, numbers, worddiff, words
from evalharness.report.escape import line, printable
from evalharness.web.journal_index import ResultFilter

if TYPE_CHECKING:
    from evalharness.text.templating import Environment

_EVENTS = "text/event-stream"
ASSETS = Path(__file__).parent / "assets"
REPORTS = ASSETS.parents[1] / "report"  # figures are drawn in pages as they are in reports
ASSET_KINDS = {"style.css": "text/css", "keys.js": "text/javascript", "icon.svg": "image/svg+xml"}


@cache
def asset_bytes(name: str) -> bytes:
    """Style, script or icon."""
    return (ASSETS / name).read_bytes()


class Links:
    """The addresses of the pages. Every state of a page is in its address. `root` comes before all of them: the path
    under which a proxy shows the pages, '' for none."""

    live = True  # pages come from a server: forms are answered, and what goes on is told

    def __init__(self, root: str = "") -> None:
        self.root = root

    def at(self, path: str, **asked: object) -> str:
        """The address of a page by its path here; what is not asked for is left out."""
        given = {name: value for name, value in asked.items() if value not in ("", None, [])}
        query = urlencode(given, doseq=True, errors="replace", quote_via=quote)
        return f"{self.root}{path}?{query}" if query else self.root + path

    def asset(self, name: str) -> str:
        """Style, script or icon, by a name that changes with what is in it."""
        return f"{self.root}/assets/{hashlib.sha256(asset_bytes(name)).hexdigest()[:16]}/{name}"

    def home(self, **asked: str) -> str:
        return self.at("/", **asked)

    def run(self, key: str, wanted: ResultFilter | None = None, **asked: object) -> str:
        return self.at(f"/runs/{key}", **filter_fields(wanted), **asked)

    def item(self, key: str, result: ResultKey, wanted: ResultFilter | None = None, **asked: object) -> str | None:
        """The page of one result, inside the filter that it was found with."""
        return self.at(f"/runs/{key}/item", **_result_fields(result), **filter_fields(wanted), **asked)

    def whole(self, key: str, result: ResultKey, part: str) -> str | None:
        """One long text of a result as a file."""
        return self.at(f"/runs/{key}/text", **_result_fields(result), part=part)

    def prompt(self, key: str, result: ResultKey, wanted: ResultFilter | None = None) -> str | None:
        """The prompt of one result token by token."""
        return self.at(f"/runs/{key}/prompt", **_result_fields(result), **filter_fields(wanted))

    def compare(self, keys: Sequence[str], **asked: object) -> str | None:
        return self.at("/compare", run=list(keys), **asked)


def _result_fields(result: ResultKey) -> dict[str, object]:
    benchmark, identity, repeat = result
    if any("\ud800" <= character <= "\udfff" for character in benchmark + identity):
        # Half of a surrogate pair, which no address can hold but as it is written in JSON.
        return {"result": json.dumps([benchmark, identity]), "repeat": repeat or ""}
    return {"of": benchmark, "id": identity, "repeat": repeat or ""}


def filter_fields(wanted: ResultFilter | None) -> dict[str, str]:
    """A filter as fields of an address; what is not asked for is left out."""
    if wanted is None:
        return {}
    named = {"benchmark": wanted.benchmark, "group": wanted.group, "status": wanted.status, "text": wanted.text}
    return {name: value for name, value in named.items() if value} | ({"suspect": "1"} if wanted.suspect else {})


def _safe(value: object) -> object:
    """Plain text without control characters, marks of direction and what has no width; our own SVG as it is."""
    return printable(value) if type(value) is str else value


def server_event(told: Mapping[str, object]) -> str:
    """One event of a stream, as `keys.js` reads it."""
    return f"data: {json.dumps(told)}\n\n"


def told_live(events: Iterator[str] | AsyncIterator[str]) -> Response:
    """A stream of events; a proxy is asked to pass each on as it comes."""
    return StreamingResponse(events, media_type=_EVENTS, headers={"x-accel-buffering": "no"})


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
