"""Answers kept by content: what was asked of the same model in the same way is never asked, nor paid for, twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from evalharness.model import Model, Priced, Requests, WrappedModel, answered
from evalharness.records import Request, Response, message_fields, on_disk
from evalharness.runs.cache_file import ReplyFile

BESIDE_RUNS = Path(".cache") / "replies.sqlite"


def reply_key(fingerprint: str, request: Request) -> str:
    """sha256 of all that decides an answer, and of the repeat: a retest must not be answered from here.

    How a reply is parsed is no part of it: reading stored replies anew costs nothing.
    """
    return _sha256(_deciding(fingerprint, request))


def prompt_and_rest(fingerprint: str, request: Request) -> tuple[str, dict[str, Any]]:
    """What decides an answer in two parts: sha256 of what the model reads, and all else, what is empty left out."""
    decides = _deciding(fingerprint, request)
    read = {name: decides.pop(name) for name in _READ if name in decides}
    return _sha256(read), {name: value for name, value in decides.items() if value not in ((), None, {})}


_ASKED = tuple(field.name for field in fields(Request))
_READ = ("messages", "choices", "given", "schema", "template_kwargs")


def _deciding(fingerprint: str, request: Request) -> dict[str, Any]:
    decides = on_disk({name: getattr(request, name) for name in _ASKED}) | {"origin": None}
    decides["messages"] = [message_fields(message) for message in request.messages]
    del decides["by_first_token"]  # how an answer is read decides none
    if not request.template_kwargs:  # the key of an answer that was kept before there were any
        del decides["template_kwargs"]
    return decides | {"fingerprint": fingerprint, "repeat": request.origin.repeat if request.origin else 0}


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=True).encode


def _sha256(value: object) -> str:
    return hashlib.sha256(_encode(value).encode()).hexdigest()


def with_cache(model: Model, path: Path) -> Model:
    """The model, with its answers kept in the SQLite file at `path`."""
    return CachedModel(model=model, path=path)


@dataclass(frozen=True, kw_only=True)
class CachedModel(WrappedModel):
    """A model that looks an answer up before it asks. Failures are not kept."""

    path: Path

    @property
    def prices(self) -> tuple[float, float] | None:
        return self.model.prices if isinstance(self.model, Priced) else None

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """As the model's; an answer from the cache says so and costs nothing. Equal requests are asked once."""
        given = Requests.of(requests)
        asking = _Asking(Requests(stop=given.stop))
        with closing(ReplyFile(self.path)) as store:

            def known() -> Iterator[tuple[int, Response]]:
                """Answers that are there to what was added meanwhile; the rest goes to the model."""
                while taken := given.take():
                    for index, request in taken:
                        digest = reply_key(self.fingerprint, request)
                        kept = None if digest in asking.waiting else store.get(digest)
                        if kept is not None and asking.may_give(kept, index, request, digest):
                            yield index, kept
                        elif kept is None:
                            asking.ask(index, request, digest)

            yield from known()
            with closing(answered(self.model, asking.missing)) as answers:
                for number, response in answers:
                    digest = asking.digests.pop(number)
                    if not response.error:
                        asked = prompt_and_rest(self.fingerprint, asking.missing[number])
                        store.put(digest, response, asked[0], {"model": self.name, **asked[1]})
                    first, *others = asking.waiting.pop(digest)
                    yield first, response
                    again = response if response.error else replace(response, cached=True, cost=0.0)
                    yield from ((index, again) for index in others)
                    yield from asking.settled(number, response)
                    yield from known()


class _Asking:
    """What the model is asked because no answer is kept, and kept answers that wait to be given.

    An answer that was had without a parameter which the endpoint refused is the answer to another request once the
    endpoint takes it. So the first of those is asked again, and decides about the others.
    """

    def __init__(self, missing: Requests) -> None:
        self.missing = missing
        self.waiting: dict[str, list[int]] = {}  # who waits for an answer, by the digest of the request
        self.digests: dict[int, str] = {}  # of what the model is asked, by its number
        self._held: dict[tuple[str, ...], list[tuple[int, Request, str, Response]]] = {}  # by what was left out
        self._probes: dict[int, tuple[str, ...]] = {}  # by the number of the request that finds out
        self._confirmed: set[tuple[str, ...]] = set()

    def ask(self, index: int, request: Request, digest: str) -> None:
        if digest in self.waiting:
            self.waiting[digest].append(index)
            return
        self.waiting[digest] = [index]
        self.digests[self.missing.add(request)] = digest

    def may_give(self, kept: Response, index: int, request: Request, digest: str) -> bool:
        """Whether a kept answer may be given at once; else it is seen to that it, or another one, will be."""
        left_out = kept.left_out
        if not left_out or left_out in self._confirmed:
            return True
        if left_out in self._held:
            self._held[left_out].append((index, request, digest, kept))
        else:
            self._held[left_out] = []
            self._probes[len(self.missing)] = left_out
            self.ask(index, request, digest)
        return False

    def settled(self, number: int, response: Response) -> Iterator[tuple[int, Response]]:
        """The kept answers that may be given now that this one came; where they may not, the model is asked."""
        if (left_out := self._probes.pop(number, None)) is None:
            return
        held = self._held.pop(left_out)
        if not response.error and set(left_out) <= set(response.left_out):
            self._confirmed.add(left_out)
            yield from ((index, kept) for index, _, _, kept in held)
            return
        for index, request, digest, _ in held:  # also after an error: one probe after the other would wait for each
            self.ask(index, request, digest)
