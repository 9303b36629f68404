"""The application of `evalh view`, and how a page says what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from evalharness.errors import UserError, option_name
from evalharness.web.compare_pages import ComparePages
from evalharness.web.guard import Guard, GuardTerms
from evalharness.web.label_pages import LabelPages
from evalharness.web.rendering import ASSET_KINDS, Links, PageMaker, asset_bytes
from evalharness.web.run_library import RunLibrary
from evalharness.web.run_pages import RunPages
from evalharness.web.training_pages import TrainingPages

_HEADINGS = {404: "Not found", 400: "Not understood", 403: "Not allowed", 409: "Not possible", 429: "Too many at once"}


def view_application(library: RunLibrary, terms: GuardTerms) -> ASGIApp:
    """The pages of runs."""
    maker = PageMaker(Links(terms.root_path))
    pages = (
        RunPages(library, maker),
        ComparePages(library, maker),
        LabelPages(library, maker),
        TrainingPages(library, maker),
    )
    return guarded_application([route for each in pages for route in each.routes()], maker, terms)


def guarded_application(
    routes: Sequence[Route],
    maker: PageMaker,
    terms: GuardTerms,
    handlers: Mapping[type[Exception], Callable[[WebRequest, Exception], Response]] | None = None,
) -> ASGIApp:
    """An application of these pages: assets are served, mistakes are pages, and everything passes the guard."""

    async def failed(request: WebRequest, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 409
        said = error.detail if isinstance(error, HTTPException) else str(error)
        said = "There is no such page here." if said == HTTPStatus.NOT_FOUND.phrase else said
        heading = _HEADINGS.get(status, "That did not work")
        page = await run_in_threadpool(
            maker.page,
            "message.html.j2",
            place="",
            heading=heading,
            told=[said],
            share=None,
            again=False,
            voter=None,
        )
        return HTMLResponse(page, status)

    ours = {route.path.split("/")[1] for route in routes} | {"assets"}
    if (first := terms.root_path.partition("/")[2].partition("/")[0]) and first in ours:
        raise UserError(f"{option_name('root_path')}: /{first} is where pages of ours are; choose another")
    made = Starlette(
        routes=[*routes, Route("/assets/{hash}/{name}", _asset), Route("/favicon.ico", _icon)],
        exception_handlers={HTTPException: failed, UserError: failed, **(handlers or {})},
    )
    return Guard(made, terms)


def _asset(request: WebRequest) -> Response:
    """A file of ours, by its name in the table of them."""
    name = request.path_params["name"]
    if name not in ASSET_KINDS:
        raise HTTPException(404, "there is no such file")
    headers = {"cache-control": "private, max-age=31536000, immutable"}
    return Response(asset_bytes(name), media_type=ASSET_KINDS[name], headers=headers)


def _icon(request: WebRequest) -> Response:
    return Response(asset_bytes("icon.svg"), media_type=ASSET_KINDS["icon.svg"])
