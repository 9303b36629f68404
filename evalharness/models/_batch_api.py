"""Requests handed in as a batch (https://platform.openai.com/docs/guides/batch): half the price, within a day.

What was handed in is noted before it is, by the hash of each request: so the same command picks up a batch that is on
its way, or that is ready, whenever it was stopped. A request that has no answer in one batch is handed in again.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evalharness.clients.http import FilteredError, RequestError, encoded
from evalharness.clients.pool import AttemptError
from evalharness.clients.refusal import Refusal
from evalharness.data.files import OWN_FILE, json_value, own_folder, write_whole
from evalharness.errors import UserError
from evalharness.events import Told, tell
from evalharness.model import Requests, Stop
from evalharness.models import _refused
from evalharness.models._refused import Settings
from evalharness.records import Request, Response

if TYPE_CHECKING:
    import openai

ROUNDS = 3  # batches that a request is handed in with at most
MOST_REQUESTS, MOST_BYTES = 50_000, 190 << 20  # of one batch, as the provider has it (200 MB)
FIRST_POLL, LONGEST_POLL = 1.0, 60.0  # seconds between two looks at a batch
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
PRICE = 0.5  # of what the same request costs by itself


class BatchedEndpoint(Protocol):
    """What an endpoint must be able to do for its requests to be handed in: those of `models._endpoint.Endpoint`."""

    refused: dict[str, str]

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    def settings(self, request: Request) -> dict[str, Any]: ...
    def body(self, request: Request, settings: Settings) -> dict[str, Any]: ...
    def whole(self, request: Request, content: Mapping[str, Any], asked: Settings, sent: Settings) -> Response: ...
    def sort_out(self, no: Refusal) -> Any: ...
    def clean(self, text: str) -> str: ...


@dataclass
class _Asked:
    """One request on its way: its index, its settings as they were sent, and in how many batches it was before."""

    index: int
    request: Request
    round: int = 0
    sent: Settings = field(default_factory=dict)
    error: str = "no batch has an answer to it"


class Batches:
    """The batches of one endpoint. `folder` is where what was handed in is noted."""

    def __init__(self, endpoint: BatchedEndpoint, client: openai.OpenAI, folder: Path) -> None:
        self.endpoint, self.client = endpoint, client
        self.notes = _Notes(folder / f"{endpoint.fingerprint[:32]}.json")

    def answers(self, requests: Requests) -> Generator[tuple[int, Response], None, None]:
        """Every request with its answer, batch after batch. UserError where nothing can be handed in."""
        while taken := requests.take():
            left = [_Asked(index, request) for index, request in taken]
            while left and not requests.stop.said:
                again: list[_Asked] = []
                for batch, members in self._handed_in(left):
                    found = self._ready(batch, requests.stop)
                    if found is None:
                        return
                    for custom, asked in members.items():
                        response = self._answer(asked, found.get(custom))
                        if response is None and asked.round + 1 < ROUNDS:
                            again.append(_Asked(asked.index, asked.request, asked.round + 1, error=asked.error))
                        else:
                            yield asked.index, response or Response(error=asked.error)
                left = again
        self.notes.forget()

    def _handed_in(self, left: Sequence[_Asked]) -> list[tuple[str, dict[str, _Asked]]]:
        """Each batch with those of these requests that are in it: what was handed in before, and what is now."""
        lines: dict[str, tuple[_Asked, bytes]] = {}
        for asked in left:
            asked.sent = _refused.adapted(self.endpoint.settings(asked.request), self.endpoint.refused)
            body = self.endpoint.body(asked.request, asked.sent)
            known = f"{asked.round}-{hashlib.sha256(encoded(body)).hexdigest()[:40]}"
            custom = next(name for number in range(len(left)) if (name := f"{known}-{number}") not in lines)
            line = {"custom_id": custom, "method": "POST", "url": f"/v1{self.endpoint.path}", "body": body}
            lines[custom] = asked, encoded(line) + b"\n"
        batches = []
        for note in list(self.notes.known):
            members = {custom: lines.pop(custom)[0] for custom in note["ids"] if custom in lines}
            if members:
                batches.append((self._batch_of(note), members))
        for part in _parts({custom: line for custom, (_, line) in lines.items()}):
            batches.append((self._hand_in(part), {custom: lines[custom][0] for custom in part}))
        return batches

    def _hand_in(self, lines: Mapping[str, bytes]) -> str:
        with self._said_in_one_line():
            file = self.client.files.create(file=("evalh.jsonl", io.BytesIO(b"".join(lines.values()))), purpose="batch")
            note = self.notes.add({"file": file.id, "batch": "", "ids": list(lines)})
        return self._create(note)

    def _batch_of(self, note: dict[str, Any]) -> str:
        """The batch that was handed in before. Stopped between its file and the batch, there may be one or not."""
        if note["batch"]:
            return str(note["batch"])
        with self._said_in_one_line():
            made = self._made_of(note)
        return self._create(note) if made is None else self._noted(note, made)

    def _made_of(self, note: Mapping[str, Any]) -> str | None:
        """The batch of a file that was handed in, as the provider lists it."""
        listed = self.client.batches.list(limit=100).data
        return next((batch.id for batch in listed if batch.input_file_id == note["file"]), None)

    def _create(self, note: dict[str, Any]) -> str:
        """Not tried again where the reply is lost: the batch may have been made, and would be paid twice."""
        import openai

        with self._said_in_one_line():
            try:
                made = self.client.with_options(max_retries=0).batches.create(
                    input_file_id=note["file"], endpoint=f"/v1{self.endpoint.path}",  # type: ignore[arg-type]
                    completion_window="24h",
                ).id  # fmt: skip
            except openai.APIConnectionError:
                listed = self._made_of(note)
                if listed is None:
                    raise
                made = listed
        return self._noted(note, made)

    def _noted(self, note: dict[str, Any], batch: str) -> str:
        note["batch"] = batch
        self.notes.write()
        count = f"{len(note['ids']):,} requests are handed in as {batch}"
        tell(Told(text=f"{self.endpoint.name}: {count}; the same command picks it up where it is stopped"))
        return batch

    def _ready(self, batch: str, stop: Stop) -> dict[str, Mapping[str, Any]] | None:
        """The lines of a batch that has ended, by their ids; None where all is to stop before."""
        woken, began = threading.Event(), time.monotonic()
        with stop.waking(woken.set):
            while True:
                with self._said_in_one_line(gone=batch):
                    found = self.client.batches.retrieve(batch)
                if found.status in _ENDED:
                    break
                pause = min(LONGEST_POLL, max(FIRST_POLL, 0.1 * (time.monotonic() - began)))
                if woken.wait(pause):
                    return None
        if found.status == "failed":
            self.notes.drop(batch)
            said = next((str(one.message) for one in (found.errors.data if found.errors else None) or ()), "no reason")
            raise UserError(f"{self.endpoint.name}: the batch {batch} is refused: {self.endpoint.clean(said)}")
        lines: dict[str, Mapping[str, Any]] = {}
        for file in (found.error_file_id, found.output_file_id):
            if file:
                with self._said_in_one_line():
                    lines |= _lines(self.client.files.content(file).content)
        return lines

    def _answer(self, asked: _Asked, line: Mapping[str, Any] | None) -> Response | None:
        """The answer in a line of the output; None where another batch may have one."""
        reply = line.get("response") if line else None
        if not isinstance(reply, dict):
            error = line.get("error") if line else None
            if error:
                asked.error = self.endpoint.clean(Refusal(0, {}, {"error": error}).message)
            return None
        content = reply.get("body")
        try:
            if reply.get("status_code") == 200 and isinstance(content, dict):
                return self.endpoint.whole(asked.request, content, self.endpoint.settings(asked.request), asked.sent)
            no = Refusal(int(reply.get("status_code") or 0), {}, content)
            if name := _refused.blamed(no, asked.sent):
                self.endpoint.refused[name] = _refused.what_is_done(name, no, asked.sent)
                asked.error = self.endpoint.clean(no.message)
                return None
            self.endpoint.sort_out(no)
        except FilteredError:
            return Response(finish="refused")
        except RequestError as error:
            return Response(error=self.endpoint.clean(str(error)))
        except (AttemptError, ValueError, TypeError) as error:
            asked.error = self.endpoint.clean(str(error))
        return None

    @contextmanager
    def _said_in_one_line(self, gone: str = "") -> Iterator[None]:
        """What the client raises as one line: nothing works without these calls, and it has tried several times.
        A batch that is not there any more is forgotten."""
        import openai

        try:
            yield
        except openai.NotFoundError as error:
            self.notes.drop(gone)
            said = self.endpoint.clean(str(error))
            raise UserError(
                f"{self.endpoint.name}: {gone or 'batches'}: {said}; the same command hands in anew"
            ) from None
        except openai.OpenAIError as error:
            raise UserError(
                f"{self.endpoint.name}: its batches cannot be had: {self.endpoint.clean(str(error))}"
            ) from None


class _Notes:
    """What was handed in and is not all answered yet: files, batches, and the ids of their requests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: list[dict[str, Any]] = []
        try:
            found = json_value(path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: what was handed in cannot be read ({error}); restore or delete it") from error
        try:
            self.known = [
                {"file": str(n["file"]), "batch": str(n["batch"]), "ids": [*map(str, n["ids"])]} for n in found
            ]
        except (TypeError, KeyError) as error:
            raise UserError(f"{path}: is no list of what was handed in ({error}); restore or delete it") from error

    def add(self, note: dict[str, Any]) -> dict[str, Any]:
        self.known.append(note)
        self.write()
        return note

    def write(self) -> None:
        try:
            own_folder(self.path.parent)
            write_whole(self.path, json.dumps(self.known), OWN_FILE)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); a batch would be paid twice"
            ) from error

    def drop(self, batch: str) -> None:
        self.known = [note for note in self.known if note["batch"] != batch]
        self.write()

    def forget(self) -> None:
        """All is answered, and whoever read the answers has written them down."""
        self.known = []
        self.path.unlink(missing_ok=True)


def _parts(lines: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    part: dict[str, bytes] = {}
    size = 0
    for custom, line in lines.items():
        if part and (len(part) == MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield part
            part, size = {}, 0
        part[custom] = line
        size += len(line)
    if part:
        yield part


def _lines(content: bytes) -> dict[str, Mapping[str, Any]]:
    """The lines of an output file by their ids; one that is none is passed over, its request is handed in again."""
    found: dict[str, Mapping[str, Any]] = {}
    for raw in content.split(b"\n"):
        try:
            line = json_value(raw)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("custom_id"), str):
            found[line["custom_id"]] = line
    return found
