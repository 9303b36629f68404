"""The pages of runs: their list, one run with its results, one result."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from evalharness.plugins import has_prompts, load_prompts
from evalharness.records import STATUSES
from evalharness.report.escape import line
from evalharness.runs.store import Run
from evalharness.web.item_view import item_view, shown_prompt, whole_text
from evalharness.web.journal_index import JournalIndex, ResultFilter, ResultKind
from evalharness.web.rendering import PageMaker, server_event, thousands, told_live
from evalharness.web.run_library import RunLibrary, RunRow
from evalharness.web.run_view import result_row, run_view
from evalharness.web.text_search import LONGEST_TEXT, count_within, running_count, search_page

RESULTS_PAGE = 50  # results on a page
_COUNT_SECONDS = 0.3  # for which a page counts the results with a text itself
_RUNS_PAGE = 200
_NEIGHBOURS = 3  # of a result, of which the first that can be read is the next
_OTHERS = 100  # runs offered for comparison
_SORTS = ("created", "name", "benchmark", "model", "score", "n")
_LAST = 1 << 60  # behind every byte of a journal
_STREAM_SECONDS = 600  # after which a browser that still listens asks again


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePlace:
    """Which results a page shows: at most so many behind a byte of the journal, or ahead of one; else the first.
    `count`: whoever reads waits until all that hold a text are counted."""

    after: int | None = None
    before: int | None = None
    most: int = RESULTS_PAGE
    count: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListing:
    """How the list of runs was asked for."""

    q: str = ""
    sort: str = "created"
    up: bool = False
    group: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChip:
    """A filter by status as a link, with how many results it leaves."""

    word: str
    n: int
    link: str
    chosen: bool
    key: str = ""


class RunPages:
    """The routes of the pages of runs."""

    def __init__(self, library: RunLibrary, maker: PageMaker) -> None:
        self.library, self.maker, self.links = library, maker, maker.links

    def routes(self) -> list[Route]:
        return [
            Route("/", self.home),
            Route("/runs/{key}", self.run),
            Route("/runs/{key}/item", self.item),
            Route("/runs/{key}/text", self.text),
            Route("/runs/{key}/prompt", self.prompt),
            Route("/runs/{key}/count", self.count),
            Route("/runs/{key}/progress", self.progress),
        ]

    def home(self, request: WebRequest) -> Response:
        return HTMLResponse(self.home_page(_listing(request)))

    def home_page(self, asked: RunListing, compared: Sequence[tuple[str, str]] = ()) -> str:
        """The list of runs; `compared` are comparisons that stand as pages of their own, with their addresses."""
        every = self.library.rows()
        found = [row for row in every if asked.q.lower() in f"{row.name}\n{row.model}\n{row.benchmark}".lower()]
        found = _in_order(found, asked)
        begin = asked.page * _RUNS_PAGE if self.links.live else 0
        page = found[begin : begin + _RUNS_PAGE] if self.links.live else found
        kept = {"q": asked.q, "group": asked.group, "sort": asked.sort, "up": "1" if asked.up else ""}
        newer = self.links.home(**kept, page=str(asked.page - 1)) if begin else None
        older = self.links.home(**kept, page=str(asked.page + 1)) if begin + len(page) < len(found) else None
        trained = self.library.trainings() if self.links.live else {}
        return self.maker.page(
            "home.html.j2", place="home", asked=asked, groups=_grouped(page, asked.group), newer=newer, older=older,
            compared=compared, trainings=[(key, path.name) for key, path in trained.items()],
            total=len({row.key for row in every}), shown=len({row.key for row in found}),
        )  # fmt: skip

    def run(self, request: WebRequest) -> Response:
        run = self._found(request)
        index = self.library.index_soon(run)
        if isinstance(index, float):
            told = "The results are being indexed; this page comes by itself when that is done."
            page = self.maker.page(
                "message.html.j2", place="", heading=f"Reading {line(run.name)}", told=[told], share=index, again=True
            )
            return HTMLResponse(page, 202)
        after, before = request.query_params.get("after", ""), request.query_params.get("before", "")
        wanted = result_filter(request)
        counted = request.query_params.get("count") == "all"
        at = PagePlace(after=_number(after), before=_number(before), count=counted)
        page = self.run_page(request.path_params["key"], run, index, wanted, at)
        return HTMLResponse(page)

    def run_page(self, key: str, run: Run, index: JournalIndex, wanted: ResultFilter, at: PagePlace) -> str:
        """One run: its figures, and a page of its results."""
        kinds = index.kinds()
        found = _page_of(index, wanted, at)
        view = run_view(run)
        read = [one for one in index.readable(found.places) if one is not None]
        rows = [result_row(one, view.summary, self.links.item(key, one.key, wanted)) for one in read]
        planned = sum(facts.items * facts.repeats for facts in run.manifest.benchmarks.values())
        rest = replace(wanted, text="") if wanted.text else wanted
        return self.maker.page(
            "run.html.j2", place="run", key=key, run=run, manifest=run.manifest,
            view=view, summary=view.summary, wanted=wanted, results=rows,
            chips=list(self._chips(key, kinds, wanted)), others=self._others(key),
            benchmarks=list(dict.fromkeys(kind.benchmark for kind in kinds)), filter_of=_filter_of,
            groups=sorted({k.group for k in kinds if k.group and wanted.benchmark in ("", k.benchmark)})[:1000],
            matching=sum(kind.n for kind in kinds if _fits(kind, rest)), done=sum(kind.n for kind in kinds),
            planned=planned, damaged=index.damaged + len(found.places) - len(read),
            limited=not self.links.live and found.later is not None,
            count=count_within(index, wanted, None if at.count else _COUNT_SECONDS) if wanted.text else None,
            count_stream=self.links.run(key, wanted).replace("?", "/count?", 1),
            count_link=self.links.run(key, wanted, count="all"), searched_on=found.searched_on,
            begin=self.links.run(key, wanted) if at.after is not None or at.before is not None else None,
            earlier=None if found.earlier is None else self.links.run(key, wanted, **found.earlier),
            later=None if found.later is None else self.links.run(key, wanted, **found.later),
            command=shlex.join(run.manifest.command or ()),
        )  # fmt: skip

    def _chips(self, key: str, kinds: Sequence[ResultKind], wanted: ResultFilter) -> Iterator[StatusChip]:
        """All, and every status that there is."""
        base = replace(wanted, status="", suspect=False)
        here = [kind for kind in kinds if _fits(kind, replace(base, text=""))]
        whole = not wanted.status and not wanted.suspect
        yield StatusChip(word="all", n=sum(k.n for k in here), link=self.links.run(key, base), chosen=whole,
                         key="w" if wanted.status == "wrong" else "")  # fmt: skip
        for status in STATUSES:
            if n := sum(kind.n for kind in here if kind.status == status):
                yield StatusChip(
                    word=status, n=n, link=self.links.run(key, replace(base, status=status)),
                    chosen=wanted.status == status, key="w" if status == "wrong" and wanted.status != "wrong" else "",
                )  # fmt: skip
        if n := sum(kind.n for kind in here if kind.suspect):
            link = self.links.run(key, replace(base, suspect=True))
            yield StatusChip(word="suspect", n=n, link=link, chosen=wanted.suspect)

    def _others(self, key: str) -> list[RunRow]:
        """Runs to compare with, those that share a benchmark."""
        if not self.links.live:
            return []
        rows = self.library.recent_rows()
        mine = {row.benchmark for row in rows if row.key == key}
        found = {row.key: row for row in rows if row.key != key and row.benchmark in mine and row.n is not None}
        return list(found.values())[:_OTHERS]

    def item(self, request: WebRequest) -> Response:
        run = self._found(request)
        index = self.library.index(run)
        place, wanted = self._place(request, index), result_filter(request)
        return HTMLResponse(self.item_page(request.path_params["key"], run, index, place, wanted))

    def item_page(self, key: str, run: Run, index: JournalIndex, place: int, wanted: ResultFilter) -> str:
        """One result, between its neighbours in the filter that it was found with."""
        (result,) = index.results([place])
        earlier = index.places(wanted, before=place, most=_NEIGHBOURS)[::-1] if not wanted.text else []
        later = index.places(wanted, after=place, most=_NEIGHBOURS)
        if wanted.text:
            later = list(search_page(index, wanted, after=place, most=1).places)
        before, after = (
            next((self.links.item(key, one.key, wanted) for one in index.readable(places) if one is not None), None)
            for places in (earlier, later)
        )
        own = self.links.live and has_prompts(run.manifest.model.name or "")
        return self.maker.page(
            "item.html.j2", place="item", key=key, run=run, view=item_view(run, result), earlier=before, later=after,
            back=self.links.run(key, wanted), tokens=self.links.prompt(key, result.key, wanted) if own else None,
        )  # fmt: skip

    def prompt(self, request: WebRequest) -> Response:
        """The prompt of one result as the model of this machine read it, token by token."""
        run = self._found(request)
        index, model = self.library.index(run), run.manifest.model
        (result,) = index.results([self._place(request, index)])
        reader = load_prompts(model.name or "", model.extra)
        if reader is None:
            raise HTTPException(404, "Only models of this machine have tokens that can be shown.")
        key = request.path_params["key"]
        page = self.maker.page(
            "prompt.html.j2", place="item", run=run, key=key, result=result,
            read=shown_prompt(reader.preview(result.request)), format=model.extra.get("template", "own"),
            back=self.links.item(key, result.key, result_filter(request)),
        )  # fmt: skip
        return HTMLResponse(page)

    def text(self, request: WebRequest) -> Response:
        """One text of a result whole, as plain text that no browser takes for a page."""
        index = self.library.index(self._found(request))
        (result,) = index.results([self._place(request, index)])
        text = whole_text(result, request.query_params.get("part", ""))
        if text is None:
            raise HTTPException(404, "there is no such text")
        headers = {"content-disposition": 'attachment; filename="text.txt"', "content-security-policy": "sandbox"}
        return PlainTextResponse(text.encode("utf-8", "replace"), headers=headers)

    def count(self, request: WebRequest) -> Response:
        """How many results hold a text, told while they are counted."""
        index, wanted = self.library.index(self._found(request)), result_filter(request)
        if not wanted.text:
            raise HTTPException(400, "wanted a text to count")
        counts = running_count(index, wanted)
        told = ({"count": thousands(n) if done else f"At least {thousands(n)}", "done": done} for n, done in counts)
        return told_live(map(server_event, told))

    def progress(self, request: WebRequest) -> Response:
        """How many answers a run under way has, told while they come."""
        return told_live(_events(self._answers(self._found(request))))

    async def _answers(self, run: Run) -> AsyncIterator[dict[str, object]]:
        """It sleeps in no thread: pages that wait must not keep others from being made."""
        end = time.monotonic() + _STREAM_SECONDS
        told = -1
        while time.monotonic() < end:
            n, finished = await run_in_threadpool(self._there, run)
            if n != told or finished:
                yield {"answers": thousands(n), "answered": n, "reload": finished, "done": finished}
                told = n
            if finished:
                return
            await asyncio.sleep(1)

    def _there(self, run: Run) -> tuple[int, bool]:
        """How many answers a run has, and whether it is finished."""
        return sum(kind.n for kind in self.library.index(run).kinds()), run.finished

    def _found(self, request: WebRequest) -> Run:
        run = self.library.run(request.path_params["key"])
        if run is None:
            raise HTTPException(404, "there is no such run here")
        return run

    def _place(self, request: WebRequest, index: JournalIndex) -> int:
        asked = request.query_params
        benchmark, identity = _named(asked.get("result", "")) or (asked.get("of", ""), asked.get("id", ""))
        place = index.find((benchmark, identity, _number(asked.get("repeat", "")) or 0))
        if place is None:
            raise HTTPException(404, "this run has no such result")
        return place


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A page of results, and how its neighbours are asked for."""

    places: Sequence[int]
    earlier: dict[str, int] | None = None
    later: dict[str, int] | None = None
    searched_on: bool = False  # the search was not done when its time was up


def _page_of(index: JournalIndex, wanted: ResultFilter, at: PagePlace) -> _Found:
    after = -1 if at.after is None else at.after
    if wanted.text:
        found = search_page(index, wanted, after=after, most=at.most)
        going = len(found.places) < at.most and found.looked is not None
        later = None if found.looked is None else {"after": found.looked}
        return _Found(places=found.places, later=later, searched_on=going)
    if at.before is not None:
        places = index.places(wanted, before=at.before, most=at.most)
    else:
        places = index.places(wanted, after=after, most=at.most)
    if not places:  # an address from elsewhere: the way back is to the last page, or to the first
        back = index.places(wanted, before=_LAST, most=1) if at.before is None else []
        return _Found(places=places, earlier={"before": _LAST} if back and after >= 0 else None)
    more = index.places(wanted, after=places[-1], most=1)
    less = index.places(wanted, before=places[0], most=1)
    return _Found(
        places=places, earlier={"before": places[0]} if less else None, later={"after": places[-1]} if more else None
    )


def result_filter(request: WebRequest) -> ResultFilter:
    """The filter that an address asks for."""
    asked = request.query_params
    return ResultFilter(
        benchmark=asked.get("benchmark", ""), group=asked.get("group", ""), status=asked.get("status", ""),
        suspect=bool(asked.get("suspect")), text=asked.get("text", "")[:LONGEST_TEXT],
    )  # fmt: skip


def _named(result: str) -> tuple[str, str] | None:
    """Benchmark and id of a result as JSON has them; None for anything else."""
    try:
        found = json.loads(result)
    except (ValueError, RecursionError):
        return None
    both = isinstance(found, list) and len(found) == 2 and all(isinstance(part, str) for part in found)
    return (found[0], found[1]) if both else None


def _filter_of(benchmark: str, group: str) -> ResultFilter:
    return ResultFilter(benchmark=benchmark, group=group)


def _fits(kind: ResultKind, wanted: ResultFilter) -> bool:
    named = ((wanted.benchmark, kind.benchmark), (wanted.group, kind.group), (wanted.status, kind.status))
    return all(want in ("", there) for want, there in named) and (kind.suspect or not wanted.suspect)


def _number(text: str) -> int | None:
    """A whole number of an address; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _listing(request: WebRequest) -> RunListing:
    asked = request.query_params
    sort, group = asked.get("sort", "created"), asked.get("group", "")
    return RunListing(
        q=asked.get("q", "")[:200], sort=sort if sort in _SORTS else "created", up=bool(asked.get("up")),
        group=group if group in ("model", "benchmark") else "", page=min(_number(asked.get("page", "")) or 0, 10**6),
    )  # fmt: skip


def _in_order(rows: Iterable[RunRow], asked: RunListing) -> list[RunRow]:
    """Sorted; what has no value stands last in either direction."""
    value = attrgetter(asked.sort)
    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    return sorted(known, key=value, reverse=not asked.up) + unknown


def _grouped(rows: Sequence[RunRow], by: str) -> list[tuple[str, list[RunRow]]]:
    if not by:
        return [("", list(rows))] if rows else []
    found: dict[str, list[RunRow]] = {}
    for row in rows:
        found.setdefault(str(getattr(row, by)) or "?", []).append(row)
    return sorted(found.items())


async def _events(told: AsyncIterator[dict[str, object]]) -> AsyncIterator[str]:
    async for one in told:
        yield server_event(one)
