"""The pages on which people label answers, blind: no model, score or judge is named."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from evalharness.comparison.flips import gold_text
from evalharness.runs.store import Run, record_to_json
from evalharness.web.comparisons import KeptResults, run_state
from evalharness.web.forms import read_form
from evalharness.web.item_view import shown_pieces
from evalharness.web.journal_index import JournalIndex, ResultFilter
from evalharness.web.label_order import LabelOrder, label_order
from evalharness.web.label_queue import LabelFiles, LabelQueue, LabelTask, annotator_name, answers_shown, next_task
from evalharness.web.rendering import PageMaker
from evalharness.web.run_library import RunLibrary

# What a button says, as the worth of the run's own answer: alone, and where A is better.
_ALONE = {"bad": 0.0, "half": 0.5, "good": 1.0}
_PAIR = {"a": 1.0, "tie": 0.5, "b": 0.0}


class LabelPages:
    """The routes of labelling."""

    def __init__(self, library: RunLibrary, maker: PageMaker) -> None:
        self.library, self.maker = library, maker
        self._secret = secrets.token_bytes(32)
        self._files: dict[tuple[str, str], LabelFiles] = {}
        self._orders = KeptResults[LabelOrder | None]()

    def routes(self) -> list[Route]:
        return [
            Route("/label", self.queue),
            Route("/label/set", self._posted(self.set), methods=["POST"]),
            Route("/label/undo", self._posted(self.undo), methods=["POST"]),
        ]

    def _posted(self, answer: Callable[[Mapping[str, str]], Response]) -> Callable[[WebRequest], Any]:
        async def handler(request: WebRequest) -> Response:
            fields = await read_form(request)
            if not hmac.compare_digest(fields.get("csrf", "").encode(), self._csrf().encode()):
                raise HTTPException(403, "This form is not of this server; go back, load the page again.")
            return await run_in_threadpool(answer, fields)

        return handler

    def _csrf(self) -> str:
        return hmac.new(self._secret, b"label", "sha256").hexdigest()[:32]

    def queue(self, request: WebRequest) -> Response:
        """The next answer to label, or the choice of a run and a name."""
        asked = {name: request.query_params.get(name, "") for name in ("run", "against", "name", "at")}
        name = annotator_name(asked["name"])
        if not asked["run"] or name is None:
            rows = {row.key: row for row in self.library.rows() if not row.damaged}
            wrong = bool(asked["name"])
            page = self.maker.page(
                "label_start.html.j2", place="label", rows=list(rows.values()), asked=asked, wrong=wrong
            )
            return HTMLResponse(page)
        run, files = self._open(asked)
        other = self.library.index(self._run(asked["against"])) if asked["against"] else None
        labelled = files.read(name)
        at = int(asked["at"]) if asked["at"].isascii() and asked["at"].isdecimal() and len(asked["at"]) < 10 else 0
        queue = LabelQueue(index=self.library.index(run), order=self._order(run))
        task = next_task(queue, other, labelled, name, at)
        page = self.maker.page(
            "label.html.j2", place="label", asked=asked, task=task, labelled=len(labelled), csrf=self._csrf(),
            agreement=files.agreement(), file=str(files.path(name)),
            item="" if task is None else f"{task.place}-{_check(task.result.sample.id)}",
            skip=None if task is None else self._at({**asked, "at": str(task.at + 1)}),
            gold="" if task is None else gold_text(record_to_json(task.result.sample)),
            answers=[] if task is None else [shown_pieces(text) for text in answers_shown(task)],
            prompt=() if task is None else shown_pieces(_prompt(task)), back=self._at({**asked, "at": "0"}),
        )  # fmt: skip
        return HTMLResponse(page)

    def _at(self, asked: Mapping[str, str]) -> str:
        """The address of the queue."""
        return self.maker.links.at("/label", **{name: asked.get(name) for name in ("run", "against", "name", "at")})

    def _run(self, key: str) -> Run:
        run = self.library.run(key)
        if run is None:
            raise HTTPException(404, "there is no such run here")
        return run

    def _order(self, run: Run) -> LabelOrder | None:
        """The order of a run's answers, found once while the run stays as it is."""
        return self._orders.get(run_state(run), lambda: label_order(run, self.library.index(run)))

    def _open(self, asked: Mapping[str, str]) -> tuple[Run, LabelFiles]:
        run, against = self._run(asked.get("run", "")), asked.get("against", "")
        if against:
            self._run(against)
        made = self._files.setdefault((asked.get("run", ""), against), LabelFiles(run, against))
        return run, made

    def set(self, fields: Mapping[str, str]) -> Response:
        """Keep a label and show the next answer."""
        run, files = self._open(fields)
        name, at = annotator_name(fields.get("name", "")), fields.get("at", "")
        identity = self._labelled(self.library.index(run), fields.get("item", ""))
        worth = (_PAIR if fields.get("against") else _ALONE).get(fields.get("label", ""))
        if name is None or identity is None or worth is None:
            raise HTTPException(400, "A label says what an answer is worth: load the page again.")
        if fields.get("against") and fields.get("first") != "1":
            worth = 1.0 - worth
        files.set(name, identity, worth, self._order(run))
        return RedirectResponse(self._at({**fields, "name": name, "at": at}), 303)

    def _labelled(self, index: JournalIndex, item: str) -> str | None:
        """The id of the result that a form is about; None where the journal has another there by now."""
        word, _, check = item.partition("-")
        with index.membership(ResultFilter()) as is_result:
            if not (word.isascii() and word.isdecimal() and len(word) < 19 and is_result(int(word))):
                return None
        (result,) = index.results([int(word)])
        return result.sample.id if hmac.compare_digest(_check(result.sample.id), check) else None

    def undo(self, fields: Mapping[str, str]) -> Response:
        run, files = self._open(fields)
        name = annotator_name(fields.get("name", ""))
        if name is None:
            raise HTTPException(400, "Whose label? Load the page again.")
        files.undo(name, self._order(run))
        return RedirectResponse(self._at({**fields, "at": "0"}), 303)


def _check(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _prompt(task: LabelTask) -> str:
    return task.result.sample.question or "\n\n".join(message.content for message in task.result.request.messages)
