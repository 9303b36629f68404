"""How fast a host is asked: how many requests may be in flight, and when the next one may be sent.

All models of one host share one pace, however many are asked at the same time.

The number in flight adapts. An endpoint that says "too many" halves it, and its Retry-After is obeyed; so does one that
fails at more than half of what it is asked. Up to where it was well before it grows by a quarter with each window
of answers; beyond that only as long as more in flight means more answers a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCaps:
    """What a user's account allows: requests and tokens (in and out) a minute. None: no limit of one's own."""

    rpm: float | None = None
    tpm: float | None = None


_STEP, _GAIN = 1.5, 1.2  # so many times as many in flight must bring so many times as many answers a second
_WINDOW = 3  # answers for each in flight that are counted before that is judged
_HELD = 20  # windows until what brought nothing is tried again


class Asker(Protocol):
    """Somebody who asks a host, beside others."""

    def waits(self) -> bool:
        """Whether it has something to ask."""
        ...

    def start(self) -> None:
        """Send what may be sent at this moment."""
        ...


class Pace:
    """The pace of one host: `start` requests at a time, at most `most`, and no more than the caps allow.

    `flying` are those in flight, of all `askers` together. All of it belongs to the thread of the network.
    """

    def __init__(self, start: int, most: int, caps: RateCaps) -> None:
        self.most = most
        self.limit = self.known = min(start, most)  # `known`: so many it kept up with
        self._window_began = time.monotonic()
        self._rate, self._held = 0.0, 0
        self.resume_at = self.halved_at = 0.0
        self.fine = self.failed = self.flying = 0
        self.askers: list[Asker] = []
        self._per_request = self._per_token = 0.0
        self._cap(caps)
        self._next_request = self._next_tokens = 0.0  # when the caps allow the next one
        self._tokens = self._counted = 0

    def _cap(self, caps: RateCaps) -> None:
        self._per_request = max(self._per_request, 60.0 / caps.rpm if caps.rpm else 0.0)
        self._per_token = max(self._per_token, 60.0 / caps.tpm if caps.tpm else 0.0)

    def widen(self, start: int, most: int, caps: RateCaps) -> None:
        """Somebody else asks the same host, who may have so many in flight himself; of all caps the tightest hold."""
        self.most = max(self.most, most)
        if not self.halved_at:
            self.limit = self.known = max(self.known, min(start, most))
        self._cap(caps)

    def room(self, own: int, free: int = 0) -> bool:
        """Whether somebody who has `own` in flight may send one more, `free` of all those in flight having landed: the
        host has room, and where others wait too, his share of it is not used up."""
        if self.flying - free >= self.limit:
            return False
        if len(self.askers) < 2:
            return True
        waiting = sum(asker.waits() for asker in self.askers)
        return own < -(-self.limit // max(1, waiting))

    def wake(self) -> None:
        """There may be room: whoever waits may send."""
        for asker in tuple(self.askers):
            asker.start()

    def pause(self) -> float:
        """Seconds until the next request may be sent; 0 or less for now."""
        return max(self.resume_at, self._next_request, self._next_tokens) - time.monotonic()

    def take(self) -> float:
        """One request is to be sent, after the seconds returned (0 or less: now): its share of the caps is taken."""
        wait, now = self.pause(), time.monotonic()
        if self._per_request:
            self._next_request = max(self._next_request, now) + self._per_request
        if self._per_token:
            self._next_tokens = max(self._next_tokens, now) + self._per_token * self.expected
        return wait

    @property
    def expected(self) -> float:
        """Tokens that a request is taken to need until its own are known: as many as the others on average."""
        return self._tokens / self._counted if self._counted else 0.0

    def answered(self, tokens: int = 0, expected: float = 0.0) -> None:
        """An answer came, with so many tokens. A window in which enough of them did allows more in flight."""
        if self._per_token:
            self._next_tokens += self._per_token * (tokens - expected)
            self._tokens, self._counted = self._tokens + tokens, self._counted + 1
        self.fine += 1
        if self.limit < self.known and self.fine >= self.limit:
            self.limit = min(self.known, self.limit + max(1, self.limit // 4))
            self._new_window()
        elif self.fine >= _WINDOW * self.limit:
            self._explore(self.fine / max(1e-9, time.monotonic() - self._window_began))
            self._new_window()

    def _new_window(self) -> None:
        self.fine = self.failed = 0
        self._window_began = time.monotonic()

    def _explore(self, rate: float) -> None:
        """A window at the most that is known to do well is over: keep what brought more, try more, or wait."""
        before = self.known
        if self.limit > before and rate < _GAIN * self._rate:
            self.limit, self._held = before, _HELD
        elif self._held and self.limit == before:
            self._held -= 1
        else:
            self.known, self._rate = self.limit, rate
            self.limit = min(self.most, int(self.limit * _STEP) + 1)

    def fails(self, sent: float) -> None:
        """An attempt failed as it does where an endpoint is overloaded: a 5xx, a reply that did not come in time."""
        self.failed += 1
        if self.failed >= 4 and self.failed > self.fine:
            self._halve(sent)

    def crowded(self, sent: float, wait: float) -> None:
        """The host said "too many", and to wait so many seconds."""
        self.rest(wait)
        self._halve(sent)

    def rest(self, seconds: float) -> None:
        """Nothing is to be sent for so long."""
        self.resume_at = max(self.resume_at, time.monotonic() + seconds)

    def _halve(self, sent: float) -> None:
        """Requests sent before the last halving do not halve again."""
        self.fine = self.failed = 0
        if sent >= self.halved_at:
            self.halved_at = time.monotonic()
            self.limit = max(1, min(self.limit, self.flying) // 2)
            self._held = _HELD


_paces: WeakValueDictionary[str, Pace] = WeakValueDictionary()


def pace_of(host: str, start: int, most: int, caps: RateCaps) -> Pace:
    """The pace of a host, the same for all that ask it as long as any of them is there."""
    found = _paces.get(host)
    if found is None:
        found = _paces[host] = Pace(start, most, caps)
    else:
        found.widen(start, most, caps)
    return found
