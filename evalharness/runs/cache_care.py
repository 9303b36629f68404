"""What the cache of answers holds, why an answer was not in it, and what is damaged; for `evalh cache`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness.errors import Exit, UserError
from evalharness.records import Origin, Result
from evalharness.runs.cache import prompt_and_rest, reply_key
from evalharness.runs.cache_file import KeptReply, ReplyFile
from evalharness.runs.store import Run

_BESIDE = ("", "-wal", "-shm")  # a database and the files that SQLite keeps beside it
_UNNAMED = "a model that an earlier version did not note"


@contextmanager
def _opened(path: Path) -> Iterator[ReplyFile]:
    if not path.is_file():
        raise UserError(f"{path}: there is no cache of answers here; runs of models that cost money make one")
    with closing(ReplyFile(path)) as file:
        yield file


@dataclass(frozen=True, kw_only=True)
class CacheShare:
    """What is kept of one model: answers, their tokens in and out, and rows that are damaged."""

    answers: int = 0
    tokens: int = 0
    damaged: int = 0


@dataclass(frozen=True, kw_only=True)
class CacheStats:
    """What a cache of answers holds, by the model's name."""

    path: Path
    size: int
    models: Mapping[str, CacheShare]

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        shares = {name: {"answers": s.answers, "tokens": s.tokens, "damaged": s.damaged}
                  for name, s in self.models.items()}  # fmt: skip
        return {"path": str(self.path), "bytes": self.size, "models": shares}


def cache_stats(path: Path) -> CacheStats:
    """Count what a cache holds, as far as it can be read. UserError where there is none."""
    with _opened(path) as file:
        found: dict[str, CacheShare] = {}
        for row in file.rows():
            name = _model(row)
            before, kept = found.get(name, CacheShare()), row.response
            tokens = 0 if kept is None else kept.tokens_in + kept.tokens_out
            found[name] = replace(
                before, answers=before.answers + (kept is not None), tokens=before.tokens + tokens,
                damaged=before.damaged + (kept is None),
            )  # fmt: skip
        size = sum(f.stat().st_size for end in _BESIDE if (f := path.with_name(path.name + end)).is_file())
    return CacheStats(path=path, size=size, models=dict(sorted(found.items())))


def _model(row: KeptReply) -> str:
    name = row.asked.get("model")
    return name if isinstance(name, str) else _UNNAMED


@dataclass(frozen=True, kw_only=True)
class CacheReasons:
    """Why answers of a run were, or were not, found: each reason with the number of answers, the most first."""

    run: Run
    from_cache: int
    reasons: Mapping[str, int]

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {"run": str(self.run.path), "from_cache": self.from_cache, "asked": dict(self.reasons)}


def cache_reasons(path: Path, run: Run, item: str | None = None) -> CacheReasons:
    """Why each answer of a run that was asked for was not in the cache, judged by what stands there now: which answers
    to the same prompt are kept, and in what the request differed. UserError for an item that the run lacks."""
    results = [r for r in run.results() if item is None or r.sample.id == item]
    if not results:
        raise UserError(f"{run.path}: has no answer" + ("" if item is None else f" to {item!r}"))
    reasons: Counter[str] = Counter()
    with _opened(path) as file:
        for result in results:
            if not result.response.cached:
                reasons[_reason(file, run, result)] += 1
    return CacheReasons(
        run=run, from_cache=sum(r.response.cached for r in results), reasons=dict(reasons.most_common())
    )


def _reason(file: ReplyFile, run: Run, result: Result) -> str:
    if result.response.error:
        return "it has no answer: failures are not kept"
    fingerprint = run.manifest.model.fingerprint or ""
    asked = replace(result.request, origin=Origin(id=result.sample.id, question="", repeat=result.repeat))
    own, (prompt, rest) = reply_key(fingerprint, asked), prompt_and_rest(fingerprint, asked)
    others = [row for row in file.with_prompt(prompt) if row.key != own]
    if not others:
        return "no other answer to the same prompt is kept: another question, prompt or template, or a model of no cost"
    differing = min((_differences(row.asked, rest) for row in others), key=len)
    if not differing:
        return "it is kept twice by the same facts"
    return "an answer to the same prompt is kept, but " + ", ".join(differing)


def _differences(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """In what two requests with one prompt differ, in words. A fingerprint is no word that anybody reads."""
    names = [name for name in {**kept, **asked} if name != "model" and kept.get(name) != asked.get(name)]
    if "temperature" in names and "seed" in names:  # a greedy request has none of its own
        names.remove("seed")
    words = []
    for name in names:
        if name == "fingerprint":
            words.append(f"of another model, address or setting of it ({kept.get('model', _UNNAMED)})")
        else:
            words.append(f"{name} was {kept.get(name, 'not set')}, here {asked.get(name, 'not set')}")
    return words


@dataclass(frozen=True, kw_only=True)
class CacheHealth:
    """What was found in a cache: rows that are as they were written, rows of earlier versions that say no checksum,
    damaged ones, and what SQLite says of its pages. `repaired`: what was damaged was taken out."""

    path: Path
    good: int
    unchecked: int
    damaged: int
    problems: tuple[str, ...]
    repaired: bool = False

    @property
    def exit_code(self) -> int:
        return Exit.USAGE if (self.damaged or self.problems) and not self.repaired else Exit.FINE

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "path": str(self.path), "good": self.good, "unchecked": self.unchecked, "damaged": self.damaged,
            "problems": list(self.problems), "repaired": self.repaired,
        }  # fmt: skip


def verify_cache(path: Path, *, repair: bool = False) -> CacheHealth:
    """Check every row's checksum and the file's pages.

    With `repair` what is whole goes into a new file and the old one is set aside as `replies.damaged.sqlite`. Not while
    a run is going: its answers would go to the old file. UserError where there is no cache.
    """
    with _opened(path) as file, _mended(path, wanted=repair) as new:
        problems = file.problems()
        counts: Counter[str] = Counter()
        for row in file.rows():
            counts["damaged" if row.response is None else "good" if row.checked else "unchecked"] += 1
            if new is not None and row.response is not None:
                new.copy(row)
    mended = repair and bool(problems or counts["damaged"])
    if repair:
        _take_place(path, mended)
    return CacheHealth(
        path=path, good=counts["good"], unchecked=counts["unchecked"], damaged=counts["damaged"],
        problems=tuple(problems), repaired=mended,
    )  # fmt: skip


@contextmanager
def _mended(path: Path, *, wanted: bool) -> Iterator[ReplyFile | None]:
    """A new file beside a cache, where one is wanted."""
    if not wanted:
        yield None
        return
    _remove(_aside(path, "new"))
    with closing(ReplyFile(_aside(path, "new"))) as file:
        yield file


def _take_place(path: Path, mended: bool) -> None:
    """The new file in the place of the damaged one, or gone where nothing was damaged."""
    new, old = _aside(path, "new"), _aside(path, "damaged")
    if not mended:
        _remove(new)
        return
    _remove(old)
    for end in _BESIDE:  # those of the old database go with it: they would be read as the new one's
        beside = path.with_name(path.name + end)
        if beside.is_file():
            beside.replace(old.with_name(old.name + end))
    new.replace(path)


def _aside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def _remove(path: Path) -> None:
    for end in _BESIDE:
        path.with_name(path.name + end).unlink(missing_ok=True)


def clear_cache(path: Path) -> int:
    """Delete a cache with all that is beside it. Returns how many bytes that was; UserError where there is none, or it
    cannot be deleted."""
    if not path.is_file():
        raise UserError(f"{path}: there is no cache of answers here")
    found = [
        f for p in (path, _aside(path, "damaged")) for end in _BESIDE if (f := p.with_name(p.name + end)).is_file()
    ]
    size = sum(file.stat().st_size for file in found)
    try:
        for file in found:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be deleted ({error.strerror})") from error
    return size
