"""The pages of runs as files: they open from a disk, an artifact of CI or GitHub Pages, without a server."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

from markupsafe import Markup

from evalharness.data.files import write_whole
from evalharness.errors import UserError
from evalharness.records import STATUSES, ResultKey
from evalharness.runs.store import Run
from evalharness.web.compare_pages import ComparePages
from evalharness.web.comparisons import ITEM_CHANGES, PairTerms
from evalharness.web.journal_index import JournalIndex, ResultFilter
from evalharness.web.rendering import Links, PageMaker, asset_bytes
from evalharness.web.run_library import RunLibrary
from evalharness.web.run_pages import PagePlace, RunListing, RunPages

_MOST_COMPARED = 6  # runs of which every two are compared


class FileLinks(Links):
    """Pages that link to each other as files of one folder; what was not exported has no address."""

    live = False

    def __init__(self, runs: Sequence[str]) -> None:
        super().__init__()
        self._runs = frozenset(runs)
        self._compared = frozenset(permutations(runs, 2)) if len(runs) <= _MOST_COMPARED else frozenset()
        self.items: dict[tuple[str, ResultKey], str] = {}

    @property
    def policy(self) -> str:
        """The content policy of a page: nothing but our own style and script, by what is in them."""
        style, script = (_hash_of(name) for name in ("style.css", "keys.js"))
        return f"default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:; base-uri 'none'"

    def inline(self, name: str) -> Markup:
        """Style or script as it stands in a page."""
        return Markup(asset_bytes(name).decode())  # our own file

    def asset(self, name: str) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(asset_bytes(name)).decode()

    def home(self, **asked: str) -> str:
        return "index.html"

    def run(self, key: str, wanted: ResultFilter | None = None, **asked: object) -> str:
        word = "" if wanted is None else "suspect" if wanted.suspect else wanted.status
        return f"run-{key}{f'-{word}' if word else ''}.html"

    def item(self, key: str, result: ResultKey, wanted: ResultFilter | None = None, **asked: object) -> str | None:
        return self.items.get((key, result))

    def whole(self, key: str, result: ResultKey, part: str) -> str | None:
        return None

    def prompt(self, key: str, result: ResultKey, wanted: ResultFilter | None = None) -> str | None:
        return None

    def compare(self, keys: Sequence[str], **asked: object) -> str | None:
        if tuple(keys) not in self._compared:
            return None
        benchmark = hashlib.sha256(str(asked.get("benchmark", "")).encode("utf-8", "replace")).hexdigest()[:6]
        change = str(asked.get("change") or "broke").replace(" ", "-")
        return f"compare-{'-'.join(keys)}-{benchmark}-{change}.html"


def _hash_of(name: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(asset_bytes(name)).digest()).decode()


def export_site(library: RunLibrary, folder: Path, most: int = 200) -> int:
    """Write the pages of a library's runs into a new folder, with at most so many results of each status and run.
    Returns how many files there are. UserError for a folder that has something in it, or cannot be written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: there is something already; name a folder that is new or empty")
    keys = list(dict.fromkeys(row.key for row in library.rows() if not row.damaged))
    runs = {key: run for key in keys if (run := library.run(key)) is not None}
    if not runs:
        raise UserError("there is no run to export")
    links = FileLinks(list(runs))
    maker = PageMaker(links)
    count = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in _pages(library, maker, links, runs, most):
            write_whole(folder / name, text)
            count += 1
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from error
    return count


def _pages(
    library: RunLibrary, maker: PageMaker, links: FileLinks, runs: dict[str, Run], most: int
) -> Iterator[tuple[str, str]]:
    """Name and text of every page."""
    pages = RunPages(library, maker)
    indexes = {key: library.index(run) for key, run in runs.items()}
    filters = {key: list(_filters(index)) for key, index in indexes.items()}
    for key, index in indexes.items():
        for wanted in filters[key]:
            for place, result in zip(*_results(index, wanted, most), strict=True):
                links.items.setdefault((key, result), f"item-{key}-{place}.html")
    made = list(_comparisons(ComparePages(library, maker), links, runs))
    yield "index.html", pages.home_page(RunListing(), [(title, name) for title, name, _ in made if title])
    for key, run in runs.items():
        for wanted in filters[key]:
            page = pages.run_page(key, run, indexes[key], wanted, PagePlace(most=min(most, 1000)))
            yield links.run(key, wanted), page
    for (key, result), name in list(links.items.items()):
        found = indexes[key].find(result)
        if found is not None:
            yield name, pages.item_page(key, runs[key], indexes[key], found, ResultFilter())
    yield from ((name, page) for _, name, page in made)


def _filters(index: JournalIndex) -> Iterator[ResultFilter]:
    """No filter, and each status that there is."""
    kinds = index.kinds()
    there = {kind.status for kind in kinds}
    yield ResultFilter()
    yield from (ResultFilter(status=status) for status in STATUSES if status in there)
    if any(kind.suspect for kind in kinds):
        yield ResultFilter(suspect=True)


def _results(index: JournalIndex, wanted: ResultFilter, most: int) -> tuple[list[int], list[ResultKey]]:
    places = index.places(wanted, most=most)
    read = [(place, one.key) for place, one in zip(places, index.readable(places), strict=True) if one is not None]
    return [place for place, _ in read], [key for _, key in read]


def _comparisons(pages: ComparePages, links: FileLinks, runs: dict[str, Run]) -> Iterator[tuple[str, str, str]]:
    """Title, name and text of the pages of every two finished runs, item by item; only the first of two has a title."""
    finished = {key: run for key, run in runs.items() if run.finished}
    if 2 < len(finished) <= _MOST_COMPARED:
        page = pages.matrix_page(list(finished), list(finished.values()), "")
        yield f"all {len(finished)} runs", "matrix.html", page
    for pair in permutations(finished, 2):
        base, new = (finished[key] for key in pair)
        shared = [name for name in new.manifest.benchmarks if name in base.manifest.benchmarks]
        for benchmark in shared if links.compare(pair) else ():
            for change in ITEM_CHANGES:
                page = pages.pair_page(pair, (base, new), benchmark, change, (PairTerms(), 0))
                title = f"{base.name} → {new.name}, {benchmark}" if change == "broke" else ""
                yield title, str(links.compare(pair, benchmark=benchmark, change=change)), page
