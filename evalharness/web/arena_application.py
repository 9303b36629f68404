"""The application of `evalh arena serve`: from what was said on the command line to pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from evalharness.data.files import numbered_rows
from evalharness.errors import DataError, UserError, option_name
from evalharness.plugins import load_model
from evalharness.runs.store import find_run
from evalharness.web.application import guarded_application
from evalharness.web.arena_live import LivePrompts
from evalharness.web.arena_pages import ArenaPages, ArenaTerms
from evalharness.web.arena_prompts import ArenaPrompts, RecordedPrompts, RunPrompts, two_or_more
from evalharness.web.arena_store import ArenaStore
from evalharness.web.guard import GuardTerms
from evalharness.web.rendering import Links, PageMaker
from evalharness.web.run_library import RunLibrary, run_key


def arena_application(store: ArenaStore, prompts: ArenaPrompts, arena: ArenaTerms, terms: GuardTerms) -> ASGIApp:
    """The pages of an arena."""
    maker = PageMaker(Links(terms.root_path), layout="arena.html.j2")
    pages = ArenaPages(store, prompts, maker, arena)
    return guarded_application(pages.routes(), maker, terms, {DBAPIError: _unavailable})


def _unavailable(request: WebRequest, error: Exception) -> Response:
    """The database is away: nothing was kept, and the same form may be sent again."""
    return PlainTextResponse("evalh: the database does not answer; try again\n", 503, headers={"retry-after": "2"})


def arena_prompts(models: Sequence[str], prompts: Path | None, *, live: bool, runs: Path) -> ArenaPrompts:
    """What is put before voters: models asked as they come, a file with answers, or the answers of runs. UserError for
    models or prompts that do not go together."""
    if live:
        opened = {name: load_model(name) for name in models}
        return LivePrompts(opened, () if prompts is None else _prompts_of(prompts))
    if prompts is not None:
        return RecordedPrompts(prompts, models)
    if not models:
        raise UserError(
            f"{option_name('models')}: name two runs or more, or give {option_name('prompts', 'FILE')} with answers"
        )
    found = {run_key(run.path): run for run in (find_run(name, runs) for name in models)}
    two_or_more([run.name for run in found.values()])
    library = RunLibrary([str(run.path) for run in found.values()], runs)
    return RunPrompts([(run, library.index(run)) for run in found.values()])


def _prompts_of(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; wanted prompts, a JSON object a line")
    return [_prompt_of(row, f"{path}:{number}") for number, row in numbered_rows(path)]


def _prompt_of(row: Mapping[str, object], where: str) -> str:
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise DataError(f"{where}: wanted a prompt; there is {', '.join(row) or 'nothing'}")
    return prompt
