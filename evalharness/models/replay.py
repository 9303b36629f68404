"""Answers recorded elsewhere, given again: `replay:FILE`.

FILE is JSONL (or a JSON list) of objects, or one JSON object {id: text}. Each object has the answer under `text` (or
`response`, `output`, `completion`, `model_response`, `prediction`) and says what it answers: by `id` (or `task_id`,
`qid`), else by the question's text under `question` (or `instruction`), with `choices` and `group` (or `subject`) where
one question's text stands for several. A `results.jsonl` of ours can be replayed too. Nothing is invented: a question
without answer, or with two different ones, gets an error that says so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from evalharness.data.files import digest, jsonl, parse_json, read_text
from evalharness.data.sources import Row
from evalharness.errors import DataError, UserError
from evalharness.model import Preview
from evalharness.options import ModelOptions
from evalharness.records import Finish, Origin, Request, Response

IDS = ("id", "task_id", "qid", "question_id")
_QUESTIONS = ("question", "instruction")
TEXTS = ("text", "response", "output", "completion", "model_response", "prediction")
GROUPS = ("group", "subject")

_Key = tuple[Any, ...]


def _first(row: Row, names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _choices(value: object) -> tuple[str, ...]:
    """Choices as a list, or as the Python literal that CSV tables of hub data carry."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return ()
    return tuple(_squeeze(str(v)) for v in value) if isinstance(value, list | tuple) else ()


def _response(row: Row, where: str) -> Response:
    recorded = row.get("response")
    if isinstance(recorded, Mapping):
        row = recorded
    text = _first(row, TEXTS)
    logprobs = tuple(float(v) for v in row.get("logprobs") or ()) if not isinstance(text, Mapping) else ()
    if text is None and not logprobs:
        raise DataError(
            f"{where}: wanted the answer under one of {', '.join(TEXTS)}; there is {', '.join(row) or 'nothing'}"
        )
    if text is not None and not isinstance(text, str):
        raise DataError(f"{where}: wanted the answer as text, there is {type(text).__name__}")
    finish: Finish = cast(Finish, row["finish"]) if row.get("finish") in ("stop", "length", "refused") else "stop"
    return Response(
        text=text or "",
        logprobs=logprobs,
        finish=finish if text is not None else "",
        tokens_in=int(row.get("tokens_in") or 0),
        tokens_out=int(row.get("tokens_out") or 0),
        cost=row.get("cost"),
    )


class Replay:
    chat = False

    def __init__(self, path: Path) -> None:
        self.name = f"replay:{path.name}"
        self.path = path
        self.fingerprint = f"replay-{digest(path)}"
        self._answers: dict[_Key, list[Response]] = {}
        for where, row in _rows(path):
            self._add(where, row)
        if not self._answers:
            raise DataError(f"{path}: there are no answers in it")
        self.ranks = all(response.logprobs for found in self._answers.values() for response in found)

    def _add(self, where: str, row: Row) -> None:
        response = _response(row, where)
        identity, question = _first(row, IDS), _first(row, _QUESTIONS)
        if identity is not None:
            key: _Key = ("id", str(identity), int(row.get("repeat") or 0))
        elif isinstance(question, str):
            key = ("question", _squeeze(question), _choices(row.get("choices")), str(_first(row, GROUPS) or ""))
        else:
            raise DataError(f"{where}: wanted `id` or the question's text under `question`; there is {', '.join(row)}")
        found = self._answers.setdefault(key, [])
        if response not in found:
            found.append(response)

    def _find(self, origin: Origin) -> list[Response]:
        """By id; else by the question's text, with as much of choices and group as the file records."""
        question, choices = _squeeze(origin.question), tuple(_squeeze(c) for c in origin.choices)
        keys: list[_Key] = [("id", origin.id, origin.repeat)]
        keys += [("question", question, c, g) for c in (choices, ()) for g in (origin.group, "")]
        return next((self._answers[key] for key in keys if key in self._answers), [])

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        for index, request in enumerate(requests):
            if request.origin is None:
                raise UserError("a replay answers the questions of a benchmark only")
            found = self._find(request.origin)
            if len(found) == 1:
                yield index, found[0]
            else:
                said = "holds no answer to it" if not found else f"holds {len(found)} different answers to it"
                yield index, Response(error=f"unanswered: {self.path.name} {said}")

    def preview(self, request: Request) -> Preview:
        return Preview(text=request.text)

    def describe(self) -> Mapping[str, Any]:
        return {"file": self.path.name, "answers": sum(map(len, self._answers.values())), "template": "none"}


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    text = read_text(path)
    start = text.lstrip()[:1]
    if start == "[" or (start == "{" and path.suffix == ".json"):
        value = parse_json(text, path)
        if isinstance(value, dict):
            value = [{"id": identity, "text": answer} for identity, answer in value.items()]
        for number, row in enumerate(value, 1):
            if not isinstance(row, dict):
                raise DataError(f"{path}: entry {number}: wanted an object, there is {type(row).__name__}")
            yield f"{path}: entry {number}", row
    else:
        for number, row in enumerate(jsonl(path), 1):
            yield f"{path}:{number}", row


def open_model(argument: str, options: ModelOptions) -> Replay:
    """The answers in a file. DataError names the line that is none."""
    if not argument:
        raise UserError("replay wants a file of recorded answers; say --model replay:FILE")
    path = Path(argument).expanduser()
    if not path.is_file():
        raise UserError(f"replay:{argument}: there is no such file")
    return Replay(path)
