"""Items of runs that other programs made, paired with ours by what was asked: the ids of two programs mean nothing.

Two items are the same where a text of the question is (the question alone, the whole prompt, or its last part behind
the examples), and the choices and the right ones are, in whatever order. White space does not count.
"""

from __future__ import annotations

import hashlib
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalharness.comparison.inputs import Side
from evalharness.comparison.scores import numbered_lines
from evalharness.runs.imported import imported_lower_is_better, is_imported
from evalharness.runs.journal import dumps
from evalharness.runs.store import JOURNAL
from evalharness.runs.summary import lower_is_better

NOT_HELD = ("prompt", "shots", "sampling")  # what another program decides by itself: said, and not refused


@dataclass(frozen=True, slots=True)
class AskedItem:
    """What was asked of one item: texts of the question, the choices and the right ones, with single spaces; `prompt`
    is a hash of all that was sent."""

    texts: tuple[str, ...]
    choices: frozenset[str]
    right: frozenset[str]
    prompt: bytes

    def agrees(self, other: AskedItem) -> bool:
        """Whether nothing that both know of the choices and the right ones differs."""
        pairs = [(self.choices, other.choices)]
        pairs += [(self.right, other.right)] if self.choices and other.choices else []
        return all(one == two for one, two in pairs if one and two)


def asked_item(line: Mapping[str, Any]) -> AskedItem:
    """What a line of a journal asks."""
    sample, request = line.get("sample") or {}, line.get("request") or {}
    said = [str(turn.get("content", "")) for turn in request.get("messages") or () if isinstance(turn, Mapping)]
    whole = "".join(said)
    texts = [str(sample.get("question", "")), whole, whole.rpartition("\n\n")[2], *said[-1:]]
    choices = [_plain(str(one)) for one in sample.get("choices") or ()]
    gold = [choices[i] for i in sample.get("gold") or () if isinstance(i, int) and 0 <= i < len(choices)]
    plain = dict.fromkeys(filter(None, map(_plain, texts)))
    sent = dumps([whole, *(request.get(name) or () for name in ("choices", "given"))])
    return AskedItem(tuple(plain), frozenset(choices), frozenset(gold), hashlib.blake2b(sent, digest_size=16).digest())


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True, slots=True)
class PairedItems:
    """Which item of NEW is which of BASE, by benchmark and id; `names` says the same of the benchmarks."""

    names: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[tuple[str, str], str] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()  # BASE's names of those whose every item was found on both sides,
    same_prompts: frozenset[str] = frozenset()  # and of those in which the very same was sent for each


def _items(side: Side) -> dict[str, dict[str, AskedItem]]:
    found: dict[str, dict[str, AskedItem]] = {name: {} for name in side.facts}
    for _, _, line in numbered_lines(side.journal) if side.journal is not None else ():
        found.setdefault(str(line["benchmark"]), {}).setdefault(str(line["id"]), asked_item(line))
    return found


def matched_items(ours: Mapping[str, AskedItem], theirs: Mapping[str, AskedItem]) -> dict[str, str]:
    """Their id -> ours. Items that ask the very same thing are paired in the order in which they stand."""
    by_text: dict[str, list[str]] = {}
    for identity, item in ours.items():
        for text in item.texts:
            by_text.setdefault(text, []).append(identity)
    found: dict[str, str] = {}
    taken = set[str]()
    for identity, item in theirs.items():
        there = (one for text in item.texts for one in by_text.get(text, ()) if one not in taken)
        if (same := next((one for one in there if ours[one].agrees(item)), None)) is not None:
            found[identity] = same
            taken.add(same)
    return found


def pair_items(base: Side, new: Side) -> PairedItems:
    """The items of both sides paired. A benchmark of NEW belongs to one of BASE that is asked in the same way and has
    at least half of its items: to that of its own name first, then to the one that has most of them."""
    ours, theirs = _items(base), _items(new)
    found = {
        (own, name): matched
        for own, there in ours.items()
        for name, items in theirs.items()
        if base.facts[own].mode == new.facts[name].mode
        and 2 * len(matched := matched_items(there, items)) >= max(1, len(items))
    }
    names: dict[str, str] = {}
    for own, name in sorted(found, key=lambda pair: (Path(pair[0]).stem != Path(pair[1]).stem, -len(found[pair]))):
        if name not in names and own not in names.values():
            names[name] = own
    ids = {(name, one): same for name, own in names.items() for one, same in found[own, name].items()}
    whole = (own for name, own in names.items() if len(found[own, name]) == len(theirs[name]) == len(ours[own]))
    alike = (
        own
        for name, own in names.items()
        if all(theirs[name][one].prompt == ours[own][same].prompt for one, same in found[own, name].items())
    )
    return PairedItems(names, ids, frozenset(whole), frozenset(alike))


@contextmanager
def paired_by_content(base: Side, new: Side) -> Iterator[tuple[Side, Side, frozenset[str]]]:
    """Both sides with NEW's items under BASE's names, in a copy, and the benchmarks in which one was imported; as they
    are where neither was, and where one is a baseline, which keeps no questions."""
    foreign = any(is_imported(facts) for side in (base, new) for facts in side.facts.values())
    if not foreign or base.journal is None or new.journal is None:
        yield base, new, frozenset()
        return
    paired = pair_items(base, new)
    with tempfile.TemporaryDirectory(prefix="evalh-paired-") as folder:
        journal = Path(folder) / JOURNAL
        taken = set(paired.names.values())
        told = {name: paired.names.get(name, f"{name} (NEW)" if name in taken else name) for name in new.facts}
        with journal.open("wb") as file:
            for _, _, line in numbered_lines(new.journal):
                file.write(dumps(_renamed(line, told, paired)) + b"\n")
        facts = {told[name]: one for name, one in new.facts.items()}
        for name in paired.whole:
            facts[name] = replace(facts[name], data=replace(facts[name].data, sha256=base.facts[name].data.sha256))
        entries = {told.get(name, name): one for name, one in new.summary.benchmarks.items()}
        for name in paired.whole & paired.same_prompts:  # each program hashes them in an order of its own
            facts[name] = replace(facts[name], prompt_sha256=base.facts[name].prompt_sha256)
        manifest = replace(new.manifest, benchmarks=facts)
        copy = replace(new, manifest=manifest, summary=replace(new.summary, benchmarks=entries), journal=journal)
        known = (name for name in base.facts if name in facts)
        yield base, copy, frozenset(name for name in known if is_imported(base.facts[name]) or is_imported(facts[name]))


def _renamed(line: Mapping[str, Any], told: Mapping[str, str], paired: PairedItems) -> dict[str, Any]:
    name, identity = str(line["benchmark"]), str(line["id"])
    if name in paired.names:
        identity = paired.ids.get((name, identity), f"{identity} (only in NEW)")
    return {**line, "benchmark": told.get(name, name), "id": identity}


def pairing_note(benchmark: str) -> str:
    """What a reader must know of a benchmark that was imported on a side."""
    return f"{benchmark} was imported: its items are paired by what was asked, not by id"


def less_is_better(benchmark: str, metric: str, sides: tuple[Side, Side]) -> bool:
    """Whether less of a figure is better: by the benchmark, or by the other program where both sides are imported."""
    known = [side.facts[benchmark] for side in sides]
    imported = all(map(is_imported, known))
    return imported_lower_is_better(known[0], metric) if imported else lower_is_better(benchmark, metric)
