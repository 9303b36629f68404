"""What an endpoint says when it does not answer: why, and for how long it asks to wait."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

# Headers in which an answer says how much of a quota is left, under their usual names.
QUOTAS = (
    "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens", "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-tokens-remaining", "x-ratelimit-remaining",
)  # fmt: skip
_LONGEST = 2000  # characters of a message that are looked at
_FILTERS = frozenset({"content_filter", "content_policy_violation", "data_inspection_failed"})
_FILTERED = re.compile(
    r"content management policy|content ?policy ?violation|ResponsibleAIPolicyViolation|violating our usage policy|"
    r"result of our safety system|input was flagged",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply with a status other than 200, in any provider's shape."""

    status: int
    headers: Mapping[str, str]
    content: Any

    @property
    def error(self) -> Mapping[str, Any]:
        """The object that says what is wrong: `{"error": {...}}`, `{"detail": ...}`, or the first of a list."""
        content = self.content[0] if isinstance(self.content, list) and self.content else self.content
        found = content.get("error", content) if isinstance(content, dict) else {}
        if found is content and isinstance(listed := content.get("errors"), list) and listed:
            found = listed[0]
        return found if isinstance(found, dict) else {"message": found}

    @property
    def message(self) -> str:
        said = self.error.get("message") or self.error.get("detail") or "no reason given"
        if isinstance(said, list):  # FastAPI's: a place and what is wrong there
            said = "; ".join(_of_detail(each) for each in said[:5])
        behind = self.error.get("metadata")
        raw = behind.get("raw") if isinstance(behind, dict) else None
        if isinstance(raw, str):  # what the provider said to a gateway
            said = f"{str(said)[:200]}: {raw}"
        return said[:_LONGEST] if isinstance(said, str) else str(said)[:_LONGEST]

    @property
    def code(self) -> str:
        return _word(self.error.get("code")) or _word(self.error.get("type"))

    @property
    def filtered(self) -> bool:
        """Whether a content filter refused the prompt, in the words of all providers."""
        return self.code in _FILTERS or (self.status in (400, 403, 422) and _FILTERED.search(self.message) is not None)

    @property
    def parameter(self) -> str:
        """The field of the request that is to blame, where the endpoint names one."""
        return _word(self.error.get("param"))

    def wait(self) -> float | None:
        """Seconds that the endpoint asks to wait (RFC 9110, 10.2.3, and what providers say besides)."""
        asked = (
            _number(self.headers.get("retry-after-ms", ""), 1000.0),
            _number(self.headers.get("Retry-After", "")),
            _until(self.headers.get("Retry-After", "")),
            _retry_delay(self.error.get("details")),
            quota_reset(self.headers),
        )
        return next((seconds for seconds in asked if seconds is not None), None)


def status_within(content: Any) -> int | None:
    """The status of an error that a gateway sends as a reply of status 200, whose own is gone by then; None for an
    answer, and for an error that says none."""
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict) or any(content.get(name) for name in ("choices", "candidates", "content")):
        return None
    code = str(error.get("code", ""))[:9]
    return int(code) if re.fullmatch(r"[45]\d\d", code, re.ASCII) else None


def _word(value: Any) -> str:
    return value[:200] if isinstance(value, str) else str(value) if type(value) is int and abs(value) < 1e9 else ""


def _of_detail(each: Any) -> str:
    if not isinstance(each, dict):
        return str(each)[:200]
    place = each.get("loc")
    where = ".".join(str(part)[:40] for part in place[:5]) if isinstance(place, list) else ""
    return f"{where}: {str(each.get('msg', ''))[:200]}"


def _number(text: str, unit: float = 1.0) -> float | None:
    return float(text) / unit if re.fullmatch(r"\s*\d{1,15}(\.\d{1,9})?\s*", text) else None


def _until(text: str) -> float | None:
    """Seconds until a date, RFC 9110's or RFC 3339's."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
            return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _retry_delay(details: Any) -> float | None:
    """Google's `RetryInfo`: `{"retryDelay": "17s"}`."""
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict) and isinstance(delay := each.get("retryDelay"), str):
            return _duration(delay)
    return None


def quota_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds after which all quotas that are used up are there again (`x-ratelimit-reset-requests: 1m2.5s`); None
    where none is."""
    found: list[float] = []
    for name, value in headers.items():
        kind = re.fullmatch(r"(?i)(x|anthropic)-ratelimit-(.*?)-?remaining-?(.*)", name)
        if kind is None or not re.fullmatch(r"\s*0+(\.0+)?\s*", value):
            continue
        stem, before, after = kind.groups()
        between = f"{before}-" if before else ""
        reset = headers.get(f"{stem}-ratelimit-{between}reset{f'-{after}' if after else ''}", "")
        found += [seconds for seconds in (_moment(reset),) if seconds is not None]
    return max(found, default=None)


def _moment(text: str) -> float | None:
    """Seconds until a reset, said as a duration, a date, or seconds or milliseconds since 1970."""
    plain = _number(text)
    if plain is None:
        return _duration(text) if _duration(text) is not None else _until(text)
    if plain > 1e11:
        plain /= 1000.0
    return max(0.0, plain - time.time()) if plain > 1e8 else plain


def _duration(text: str) -> float | None:
    parts = re.fullmatch(
        r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?",
        text.strip(),
    )
    if parts is None or not any(parts.groups()):
        return None
    days, hours, minutes, seconds, thousandths = (float(part or 0) for part in parts.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + thousandths / 1000
