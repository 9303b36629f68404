"""How often somebody may do something: a bucket each, in memory, under a hash that nobody else can make."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict

_MOST = 20_000  # of those who are remembered


class RateLimit:
    """At most `burst` at once, and `per_minute` in the long run, by each key."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self._rate, self._burst = per_minute / 60, burst
        self._salt, self._lock = secrets.token_bytes(16), threading.Lock()
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Whether it may be done once more now, which is then counted."""
        hashed = hashlib.blake2b(key.encode("utf-8", "replace"), key=self._salt, digest_size=16).digest()
        with self._lock:
            now = time.monotonic()
            left, then = self._left.pop(hashed, (float(self._burst), now))
            left = min(self._burst, left + (now - then) * self._rate)
            allowed = left >= 1
            self._left[hashed] = (left - 1 if allowed else left, now)
            while len(self._left) > _MOST:
                self._left.popitem(last=False)
            return allowed
