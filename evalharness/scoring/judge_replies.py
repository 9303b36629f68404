"""Reading a judge's reply, and what the verdicts on one answer amount to.

A verdict that cannot be read is null: never a zero, never a loss. Only the judge's own reply is read, and a marker
that a submission planted there for the judge to quote is not a verdict.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, Literal

from evalharness.records import Response, Verdict
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.verdict_forms import (
    ObjectPairs,
    balanced,
    denied,
    last_field,
    lines_alone,
    loose_object,
    object_of,
    reported,
    undecorated,
)
from evalharness.text.deferred import deferred

How = Literal["schema", "logprobs", "text"]
MARKER = deferred(r"\\?\[\\?\[\s{0,8}([^\[\]\n]{1,40}?)\s{0,8}\\?\]\\?\]")
MOST_MARKERS = 200  # of a reply with more the last ones are looked at
# A line that holds nothing but a verdict, perhaps with a word before it.
_ALONE = deferred(
    r"^(?!\s*>)\W{0,20}(?:(?:my |final |the )*(?:verdict|rating|score|grade|answer)\W*(?:is\W*)?)?"
    r"\[\[[^\[\]\n]*\]\]\W*$",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a judge may say: labels with their worth in [0, 1], or a number from `low` to `high` (1 is best).

    `reads` are the ways to read a reply, in order; a way applies when the reply has its form, and then decides alone.
    `exact`: a label token counts only as it stands, case and blanks included. `field` is the verdict's name in JSON.
    `least_mass` is the probability that the labels must hold together among the likeliest tokens.
    """

    labels: Mapping[str, float] = field(default_factory=dict)
    low: float = 0.0
    high: float = 0.0
    reads: tuple[How, ...] = ("schema", "text")
    exact: bool = False
    field: str = "verdict"
    least_mass: float = 0.5

    def worth(self, said: object) -> float | None:
        """The worth of a label or number, None when it is not on the scale."""
        if self.labels:
            return self.labels.get(said) if isinstance(said, str) else None
        if isinstance(said, bool) or not isinstance(said, int | float):
            return None
        return (said - self.low) / (self.high - self.low) if self.low <= said <= self.high else None

    def from_text(self, said: str) -> float | None:
        """The worth of what stands between brackets."""
        plain = undecorated(said)
        if self.labels:
            forms = (said, plain, "".join(plain.split()))
            return next((self.labels[form] for form in forms if form in self.labels), None)
        number = re.fullmatch(r"(-?\d+(?:\.\d+)?)(?:\s*/\s*(\d+)|\s*(%))?", plain)
        if number is None or (number[2] and float(number[2]) != self.high) or (number[3] and self.high != 100):
            return None
        return self.worth(float(number[1]))

    def from_field(self, said: object) -> float | None:
        """The worth of a field of JSON: also of a label in another case, and of a number in quotation marks."""
        if not isinstance(said, str):
            return self.worth(said)
        value = self.from_text(said)
        same = [label for label in self.labels if label.casefold() == undecorated(said).casefold()]
        return self.labels[same[0]] if value is None and len(same) == 1 else value

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of a reply: the reason first, the verdict last."""
        verdict: dict[str, Any] = {"type": "string", "enum": list(self.labels)}
        if not self.labels:
            verdict = {"type": "number", "minimum": self.low, "maximum": self.high}
        properties = {"reason": {"type": "string"}, self.field: verdict}
        return {
            "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
        }  # fmt: skip

    @property
    def offer(self) -> str:
        """What may be said, for a judge that is asked again."""
        return " or ".join(self.labels) if self.labels else f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A reply as it was read. `problem` says why there is no value; `hopeless`: asking again would not help."""

    value: float | None = None
    label: str = ""
    status: Literal["ok", "unparsable", "refused", "error"] = "ok"
    how: str = ""
    mass: float | None = None
    problem: str = ""
    hopeless: bool = False


def unparsable(problem: str, how: str = "", *, mass: float | None = None, hopeless: bool = False) -> Reading:
    """No verdict could be read."""
    return Reading(status="unparsable", problem=problem, how=how, mass=mass, hopeless=hopeless)


def read_verdict(
    response: Response, scale: Scale, submissions: Sequence[str] = (), prompt: Sequence[str] = ()
) -> Reading:
    """The verdict in a reply. What it quotes never counts: neither from `submissions`, the texts that were judged,
    nor from `prompt`, all that the judge was told."""
    if response.error:
        return Reading(status="error", problem=response.error, hopeless=True)
    if response.finish == "refused":
        return Reading(status="refused", problem="the judge refused", hopeless=True)
    final = final_answer(response.text)
    if final.cut:
        return unparsable("it was cut off inside its thinking")
    response = replace(response, text=_unquoted(final.text, (*prompt, *submissions)))
    for how in scale.reads:
        found = _READERS[how](response, scale, submissions)
        if found is not None:
            return found
    if scale.reads == ("logprobs",):
        return unparsable("the endpoint sent no log-probabilities", "logprobs", hopeless=True)
    return unparsable("it holds no verdict")


def _from_schema(response: Response, scale: Scale, submissions: Sequence[str]) -> Reading | None:
    """None when the reply is no JSON at all: endpoints that ignore schemas answer in prose."""
    objects = _objects(response.text, scale, submissions)
    if not objects:
        return None
    said = [value for o in objects for value in _said(o, scale)]
    given = {_verdict(scale.from_field(value), value) for value in said}
    end = response.text.rfind("}") + 1
    markers = list(MARKER.finditer(response.text))[-MOST_MARKERS:]
    aside = [m for m in markers if m.start() >= end or _ALONE.match(_line(response.text, m))]
    other = {value for marker in aside if (value := scale.from_text(marker[1])) is not None}
    if len(given) > 1 or (given and (other | _stated(response.text[end:], scale)) - given):
        return unparsable("it gives two different verdicts", "schema")
    value = scale.from_field(said[0]) if said else None
    if value is None:
        return unparsable(f"its field {scale.field!r} is not {scale.offer}", "schema")
    return Reading(value=value, label=_shown(said[0]), how="schema")


def _stated(text: str, scale: Scale, *, words_only: bool = False) -> set[object]:
    """The verdicts of the lines of a text that hold nothing else; of a line that says `verdict` whatever it names."""
    found: set[object] = set()
    for named, said in lines_alone(text):
        value = scale.from_field(said) if named or not words_only else None
        if value is not None or (named and not words_only and re.fullmatch(r"[A-Za-z]|\d{1,4}(?:/\d{1,4})?", said)):
            found.add(_verdict(value, said))
    return found


def _said(pairs: ObjectPairs, scale: Scale) -> list[object]:
    """All that an object gives as its verdict: the field's name counts in any case, and as often as it is there."""
    return [value for name, value in pairs if name.casefold() == scale.field.casefold()]


def _verdict(worth: float | None, said: object) -> object:
    """What makes two verdicts the same: their worth, and where they have none what was said."""
    return str(said) if worth is None else worth


def _objects(text: str, scale: Scale, submissions: Sequence[str]) -> list[ObjectPairs]:
    """The reply as a JSON object, or the objects in it that hold the field; quotations from submissions left out.

    Behind the last object there may be a sentence, unless a submission holds a verdict that might be quoted.
    """
    inner = text.strip()
    inner = (inner[3:].removeprefix("json") if inner.startswith("```") else inner).removesuffix("```").strip()
    if (whole := object_of(inner)) is not None:
        return [whole]
    end = inner.rfind("}") + 1
    if not end:
        return []
    pieces = [piece for piece in _pieces(inner) if not any(piece in s for s in submissions)]
    found = [o for piece in pieces if (o := object_of(piece)) is not None and _said(o, scale)]
    if not found:
        loose = [piece for piece in balanced(inner) if not any(piece in s for s in submissions)]
        found = [o for piece in loose if (o := loose_object(piece)) is not None and _said(o, scale)]
    if not found and (last := last_field(inner, scale.field)) and not any(scale.field in s for s in submissions):
        found = [last]
    if not re.search(r"\w", inner[end : end + 10000]):
        return found
    names = [f"{quote}{scale.field}".casefold() for quote in "\"'“{"]
    planted = any(MARKER.search(s) or any(name in s.casefold() for name in names) for s in submissions)
    return [] if planted else found


def _pieces(text: str) -> list[str]:
    """The outermost JSON objects that stand in a text."""
    found: list[str] = []
    decoder, position = json.JSONDecoder(), 0
    for _ in range(200):
        position = text.find("{", position)
        if position < 0:
            break
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
        else:
            found.append(text[position:end])
            position = end
    return found


def _from_logprobs(response: Response, scale: Scale, _: Sequence[str]) -> Reading | None:
    """The expected worth over the label tokens among the likeliest first tokens. None when none were sent."""
    if not response.top_logprobs:
        return None
    names = list(scale.labels) or [f"{n:g}" for n in range(int(scale.low), int(scale.high) + 1)]
    held = dict.fromkeys(names, 0.0)
    for token, logprob in response.top_logprobs:
        name = token if scale.exact else token.strip()
        if name in held and not math.isnan(logprob):
            held[name] += math.exp(min(logprob, 0.0))
    mass = math.fsum(held.values())
    if mass < scale.least_mass or mass == 0.0:
        return unparsable(f"it does not begin with {scale.offer}", "logprobs", mass=mass)
    worth = {n: scale.labels[n] if scale.labels else scale.worth(float(n)) or 0.0 for n in names}
    value = math.fsum(p * worth[n] for n, p in held.items()) / mass
    return Reading(value=min(1.0, value), label=max(held, key=held.__getitem__), how="logprobs", mass=mass)


def _from_text(response: Response, scale: Scale, submissions: Sequence[str]) -> Reading | None:
    """The last `[[label]]` of the reply, or a reply that is a label and nothing else."""
    whole = response.text.strip()
    said = [whole, *(said for _, said in lines_alone(whole))] if "\n" not in whole else []
    if (label := next((one for one in said if scale.from_text(one) is not None), None)) is not None:
        return Reading(value=scale.from_text(label), label=undecorated(label), how="text")
    if response.finish == "length":
        return unparsable("it was cut off before its end", "text")
    planted = any(MARKER.search(s) for s in submissions)
    text = response.text
    found = [
        m
        for m in list(MARKER.finditer(text))[-MOST_MARKERS:]
        if not (_in_quotes(text, m) or denied(text, m) or reported(text, m, submissions))
    ]
    if not found:
        return None
    last = found[-1]
    if planted and text[last.end() :].strip(" \t\r\n.*`\"'"):
        return unparsable("it does not end with the verdict", "text")
    value = scale.from_text(last[1])
    given = {m: _verdict(scale.from_text(m[1]), m[1]) for m in found}
    same_line = {given[m] for m in found if "\n" not in text[m.start() : last.start()]}
    alone = {given[m] for m in found if _ALONE.match(_line(text, m))}
    stated = _stated(text[: found[0].start()], scale, words_only=True) if scale.labels else set()
    stated |= _stated(text[last.end() :].partition("\n")[2], scale)
    if len(same_line) > 1 or len(alone) > 1 or (alone | stated) - {given[last]}:
        return unparsable("it gives two different verdicts", "text")
    if value is None:
        return unparsable(f"the verdict between the brackets is not {scale.offer}", "text")
    return Reading(value=value, label=undecorated(last[1]), how="text")


def _line(text: str, marker: re.Match[str]) -> str:
    """The line of a marker, as far as a line that holds little else can reach."""
    before = text[max(0, marker.start() - 100) : marker.start()].rsplit("\n", 1)[-1]
    return before + text[marker.start() : marker.end() + 100].split("\n", 1)[0]


_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "«": "»", "‘": "’", "「": "」"}


def _in_quotes(text: str, marker: re.Match[str]) -> bool:
    """Whether a marker is quoted: between quotation marks in a sentence, or on a line that is a quotation."""
    line = _line(text, marker)
    before, after = text[max(0, marker.start() - 1) : marker.start()], text[marker.end() : marker.end() + 1]
    quoted = before in _QUOTES and before != "" and after == _QUOTES[before]
    return line.lstrip().startswith(">") or (quoted and not _ALONE.match(line))


def _unquoted(reply: str, submissions: Sequence[str]) -> str:
    """The reply without the markers that it quotes: those whose line reads the same in a submission just before.

    A marker alone on its line is never a quotation; who is asked again is told to put it there.
    """

    def kept(match: re.Match[str]) -> str:
        line_start = reply.rfind("\n", 0, match.start()) + 1
        before = reply[max(line_start, match.start() - 12) : match.end()]
        quoted = len(before) - len(match[0]) >= 4 and any(before in s for s in submissions)
        return " " * len(match[0]) if quoted else match[0]

    markers = list(MARKER.finditer(reply))
    if len(markers) > MOST_MARKERS:  # no judge writes so many; what it quotes is not looked for in them
        return " " * markers[-MOST_MARKERS].start() + reply[markers[-MOST_MARKERS].start() :]
    return MARKER.sub(kept, reply)


_READERS = {"schema": _from_schema, "logprobs": _from_logprobs, "text": _from_text}


def _shown(said: object) -> str:
    return f"{said:g}" if isinstance(said, int | float) else str(said)


# What the verdicts on one answer amount to.


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatedVerdict:
    """The value of one answer under one judging. `consistent` is None unless both orders gave a verdict.

    `missing` counts the verdicts that are null; a value that needs one of them is null too.
    """

    value: float | None
    consistent: bool | None = None
    missing: int = 0
    members: Mapping[str, float | None] = field(default_factory=dict)


def aggregate_verdicts(
    verdicts: Iterable[Verdict], aggregate: str = "mean", weights: Mapping[str, float] | None = None
) -> AggregatedVerdict:
    """Mean over orders, weighted mean over parts (criteria, turns), then the panel's aggregate over its members.

    One null among the orders or parts of a member makes that member null: half of a swapped pair still holds the
    position effect that the other half was to cancel. A panel speaks when more than half of its members do.
    """
    first = [v for v in verdicts if not v.extra.get("retest")]
    by_seat: dict[str, list[Verdict]] = {}
    for verdict in first:
        by_seat.setdefault(str(verdict.extra.get("seat", verdict.judge)), []).append(verdict)
    members = {seat: _member(own) for seat, own in sorted(by_seat.items())}
    spoken = {seat: value for seat, value in members.items() if value is not None}
    agreed = [c for own in by_seat.values() if (c := _consistent(own)) is not None]
    return AggregatedVerdict(
        value=_together(spoken, aggregate, weights or {}) if 2 * len(spoken) > len(members) else None,
        consistent=all(agreed) if agreed else None,
        missing=sum(v.value is None for v in first),
        members=members,
    )


def _member(verdicts: Sequence[Verdict]) -> float | None:
    parts: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault(str(verdict.extra.get("part", "")), []).append(verdict)
    total = weight = 0.0
    for own in parts.values():
        values = [v.value for v in own if v.value is not None]
        if len(values) < len(own):
            return None
        heavy = float(own[0].extra.get("weight", 1.0))
        total, weight = total + heavy * fmean(values), weight + heavy
    return total / weight if weight else None


def _consistent(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether both orders of every part have the same winner; None where there are no two orders."""
    parts: dict[str, dict[str, float]] = {}
    for verdict in verdicts:
        if verdict.order and verdict.value is not None:
            parts.setdefault(str(verdict.extra.get("part", "")), {})[verdict.order] = verdict.value
    both = [p for p in parts.values() if len(p) == 2]
    return all(winner(p["AB"]) == winner(p["BA"]) for p in both) if both else None


def winner(value: float) -> int:
    """1 when the judged answer wins, -1 when the other does, 0 for a tie."""
    return (value > 0.5) - (value < 0.5)


def _together(spoken: Mapping[str, float], aggregate: str, weights: Mapping[str, float]) -> float:
    values = list(spoken.values())
    if aggregate == "majority":
        ahead = sum(winner(v) for v in values)
        return 0.5 + 0.5 * ((ahead > 0) - (ahead < 0))
    if aggregate == "weights":
        given = [weights.get(seat, 0.0) for seat in spoken]
        return (
            math.fsum(w * v for w, v in zip(given, values, strict=True)) / math.fsum(given)
            if any(given)
            else fmean(values)
        )
    return fmean(values)
