"""The pages of comparisons: two runs side by side, many in a matrix, a benchmark over time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations

from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from evalharness.comparison.align import FIELDS
from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.flips import TEXT_LIMIT, gold_text
from evalharness.comparison.history import benchmark_history
from evalharness.errors import UserError
from evalharness.records import Result
from evalharness.report.charts import reach
from evalharness.report.history import history_cells
from evalharness.report.ranking import ranking_notes, table_headings, table_rows
from evalharness.runs.store import Run, record_to_json
from evalharness.web.comparisons import ITEM_CHANGES, Change, Comparisons, PairTerms
from evalharness.web.rendering import PageMaker
from evalharness.web.run_library import RunLibrary

_PAGE = 20  # items on a page
_MOST = 12  # runs in a matrix
_FIELDS = (*FIELDS, "sampling")  # that may be allowed to differ, in the order in which they are offered


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedItem:
    """One item on both sides, its texts cut; '' where a side has none."""

    id: str
    question: str
    gold: str
    base_status: str
    new_status: str
    base_text: str
    new_text: str
    base_link: str | None
    new_link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """What a row's run is worth against a column's; `task` is None where they cannot be compared, `why` says so."""

    task: TaskComparison | None = None
    link: str | None = None
    why: str = ""


class ComparePages:
    """The routes of the pages of comparisons."""

    def __init__(self, library: RunLibrary, maker: PageMaker) -> None:
        self.library, self.maker, self.links = library, maker, maker.links
        self.made = Comparisons()

    def routes(self) -> list[Route]:
        return [Route("/compare", self.compare), Route("/history", self.history)]

    def compare(self, request: WebRequest) -> Response:
        asked = request.query_params
        keys = list(dict.fromkeys(asked.getlist("run")))
        if len(keys) < 2:
            if len(asked.getlist("run")) > 1:
                raise HTTPException(400, "A run is not compared with itself: choose another beside it.")
            raise HTTPException(400, "Tick two runs or more in the list of runs, then compare them.")
        if len(keys) > _MOST:
            raise HTTPException(400, f"A matrix has at most {_MOST} runs; {len(keys)} are ticked.")
        runs = [self.library.run(key) for key in keys]
        found = [run for run in runs if run is not None]
        if len(found) < len(runs):
            raise HTTPException(404, "One of the runs is not here.")
        benchmark = asked.get("benchmark", "")
        if len(keys) > 2:
            return HTMLResponse(self.matrix_page(keys, found, benchmark))
        terms = PairTerms(
            margin=_margin(asked.get("margin", "")), allow=frozenset(asked.getlist("allow")) & frozenset(_FIELDS)
        )
        if asked.get("swap"):
            again = self.links.compare(keys[::-1], benchmark=benchmark, **_asked(terms))
            return RedirectResponse(again or self.links.home(), 303)
        change: Change = next((change for change in ITEM_CHANGES if change == asked.get("change")), "broke")
        page = self.pair_page(keys, found, benchmark, change, (terms, _begin(request)))
        return HTMLResponse(page)

    def pair_page(
        self, keys: Sequence[str], runs: Sequence[Run], benchmark: str, change: Change, at: tuple[PairTerms, int]
    ) -> str:
        """Two runs side by side: the verdicts, and a page of the items of one benchmark that changed in one way."""
        terms, begin = at
        base, new = runs
        document = self.made.pair(base, new, terms).document
        compared = [task for task in document.tasks if task.difference is not None]
        task = next((task for task in compared if task.benchmark == benchmark), next(iter(compared), None))
        tabs, items, complete, total = [], list[ComparedItem](), True, 0
        kept, hindering = _asked(terms), _hindering(document.tasks)
        if task is not None:
            outcomes = self.made.outcomes(base, new, task)
            complete, total = outcomes.complete, len(outcomes.ids[change])
            for name in ITEM_CHANGES:
                link = self.links.compare(keys, benchmark=task.benchmark, change=name, **kept)
                tabs.append((name, len(outcomes.ids[name]), link, name == change))
            ids = outcomes.ids[change][begin : begin + _PAGE]
            items = self._items(keys, runs, task, ids)
        where = {"benchmark": task.benchmark if task else "", "change": change, **kept}
        earlier = self.links.compare(keys, **where, begin=max(begin - _PAGE, 0) or "") if begin else None
        later = self.links.compare(keys, **where, begin=begin + _PAGE) if begin + _PAGE < total else None
        return self.maker.page(
            "compare.html.j2", place="compare", keys=keys, d=document, axis=reach(document.tasks), task=task, tabs=tabs,
            change=change, items=items, complete=complete, terms=terms, earlier=earlier, later=later,
            fields=[field for field in _FIELDS if field in terms.allow or field in hindering], hindering=hindering,
            links_of={one.benchmark: self.links.compare(keys, benchmark=one.benchmark, **kept) for one in compared},
        )  # fmt: skip

    def _items(
        self, keys: Sequence[str], runs: Sequence[Run], task: TaskComparison, ids: Sequence[str]
    ) -> list[ComparedItem]:
        shown = {item.id: item for item in task.samples}
        sides = [self._results(run, task.benchmark, ids) for run in runs]
        found = []
        for identity, was, now in zip(ids, *sides, strict=True):
            told = shown.get(identity)
            either = was or now
            found.append(
                ComparedItem(
                    id=identity,
                    question=either.sample.question[:TEXT_LIMIT] if either else told.question if told else "",
                    gold=gold_text(record_to_json(either.sample)) if either else told.gold if told else "",
                    base_status=was.status if was else "", new_status=now.status if now else "",
                    base_text=_said(was), new_text=_said(now) if now or not told else told.new_text,
                    base_link=self.links.item(keys[0], was.key) if was else None,
                    new_link=self.links.item(keys[1], now.key) if now else None,
                )
            )  # fmt: skip
        return found

    def _results(self, run: Run, benchmark: str, ids: Sequence[str]) -> list[Result | None]:
        index = self.library.index(run)
        places = [index.find((benchmark, identity, 0)) for identity in ids]
        known = iter(index.readable([place for place in places if place is not None]))
        return [None if place is None else next(known) for place in places]

    def matrix_page(self, keys: Sequence[str], runs: Sequence[Run], benchmark: str) -> str:
        """Every run against every other on one benchmark, and all of them ranked."""
        names = list(dict.fromkeys(name for run in runs for name in run.manifest.benchmarks))
        chosen = benchmark if benchmark in names else names[0]
        cells = [
            [self._cell(keys, runs, (row, column), chosen) for column in range(len(runs))] for row in range(len(runs))
        ]
        board, notes = None, ["Nothing is ranked: no two of these runs can be compared on any benchmark."]
        if self._comparable(runs):
            try:
                board = self.made.ranking(runs)
                notes = ranking_notes(board)
            except UserError as error:
                notes = [str(error)]
        return self.maker.page(
            "matrix.html.j2", place="compare", keys=keys, runs=runs, names=names, chosen=chosen, cells=cells,
            headings=table_headings(board) if board else [], rows=table_rows(board) if board else [], notes=notes,
        )  # fmt: skip

    def _cell(self, keys: Sequence[str], runs: Sequence[Run], at: tuple[int, int], benchmark: str) -> MatrixCell:
        row, column = at
        if row == column:
            return MatrixCell()
        link = self.links.compare([keys[column], keys[row]], benchmark=benchmark)
        try:
            made = self.made.pair(runs[column], runs[row], PairTerms())
        except UserError as error:
            return MatrixCell(why=str(error))
        task = next((task for task in made.document.tasks if task.benchmark == benchmark), None)
        if task is None or task.difference is None:
            both = all(benchmark in run.manifest.benchmarks for run in (runs[row], runs[column]))
            return MatrixCell(why=task.reason if task else "not in both", link=link if both else None)
        return MatrixCell(task=task, link=link)

    def _comparable(self, runs: Sequence[Run]) -> bool:
        """Whether any two of the runs can be compared on some benchmark."""
        for base, new in combinations(runs, 2):
            with suppress(UserError):
                if any(task.difference is not None for task in self.made.pair(base, new, PairTerms()).document.tasks):
                    return True
        return False

    def history(self, request: WebRequest) -> Response:
        """A benchmark over time, in the folders that are shown."""
        folders = self.library.folders
        rows = self.library.rows()
        names = sorted({row.benchmark for row in rows if row.n is not None})
        if not folders or not names:
            raise HTTPException(
                404, "A history wants a folder of finished runs; runs that are named one by one have none."
            )
        asked = request.query_params.get("benchmark", "")
        chosen = asked if asked in names else names[0]
        found = benchmark_history(chosen, folders)
        keys = {row.name: row.key for row in rows}
        page = self.maker.page(
            "history.html.j2", place="history", found=found, names=names, chosen=chosen,
            rows=[(keys.get(point.name), history_cells(point)) for point in found.points],
        )  # fmt: skip
        return HTMLResponse(page)


def _asked(terms: PairTerms) -> dict[str, object]:
    """The terms as fields of an address; the usual ones are left out."""
    margin = "" if terms.margin == PairTerms().margin else f"{terms.margin:g}"
    return {"margin": margin, "allow": [field for field in _FIELDS if field in terms.allow]}


def _hindering(tasks: Sequence[TaskComparison]) -> list[str]:
    """The fields that differ where a benchmark cannot be compared for that."""
    found = {one.field for task in tasks if task.verdict == "not comparable" for one in task.mismatches}
    return [field for field in _FIELDS if field in found]


def _said(result: Result | None) -> str:
    if result is None:
        return ""
    text = result.response.error or result.response.text or result.answer or ""
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def _margin(word: str) -> float:
    """A margin as a share. HTTPException for what is none."""
    try:
        value = float(word) if word else PairTerms().margin
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise HTTPException(400, "A margin is a share above 0 and below 1: 0.02 is two points.")
    return value


def _begin(request: WebRequest) -> int:
    word = request.query_params.get("begin", "")
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 10 else 0
