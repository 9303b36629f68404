"""Benchmarks of instructions whose following a program can check: what IFEval and its successors share.

A check is a function of the text and of the instruction's own arguments; a benchmark is a table of checks by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any

from evalharness.building_blocks.instruction_texts import LANGUAGES, load_packages
from evalharness.data.rows import Row
from evalharness.options import RunOptions
from evalharness.records import Request, Response, Sample, Score, Status
from evalharness.scoring.answers import Scorer
from evalharness.scoring.metrics import Metric, mean, ratio
from evalharness.text.patterns import SlowPatternError

InstructionCheck = Callable[..., bool]
_STRICT = (mean("prompt_strict"), ratio("followed_strict", "instructions", "instruction_strict"))
_LOOSE = (mean("prompt_loose"), ratio("followed_loose", "instructions", "instruction_loose"))


@dataclass(frozen=True)
class InstructionSet:
    """The checks of a benchmark by the names of its instructions.

    `headline` says by which reading an answer is right: strict, the text as it is, or loose, also without its first
    line, its last or its asterisks. `packages` are what its checks import.
    """

    checks: Mapping[str, InstructionCheck]
    headline: str = "strict"
    packages: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Prompts and instructions that are followed, read strictly and loosely, the headline first."""
        return (*_STRICT, *_LOOSE) if self.headline == "strict" else (*_LOOSE, *_STRICT)

    def sample(self, row: Row) -> Sample:
        """A row as IFEval and its successors lay it out: `key`, `prompt`, `instruction_id_list`, `kwargs`."""
        return Sample(
            id=str(row["key"]), question=row["prompt"], extra=self.given(row["instruction_id_list"], row["kwargs"])
        )

    def given(self, names: Sequence[str], arguments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A sample's `extra`: instructions and the arguments of each.

        ValueError for an instruction that has no check, and for arguments that its check does not take.
        """
        unknown = sorted(set(names) - set(self.checks))
        if unknown:
            raise ValueError(f"unknown instruction {unknown[0]}")
        if len(names) != len(arguments):
            raise ValueError(f"it has {len(names)} instructions and {len(arguments)} kwargs, wanted as many of both")
        taken = [_taken(name, self.checks[name], said) for name, said in zip(names, arguments, strict=True)]
        return {"instructions": list(names), "arguments": taken}

    def follows(self, text: str, instruction: str, arguments: Mapping[str, Any]) -> bool:
        """Whether a text follows one instruction; an empty text follows none, nor one on which a keyword takes too
        long."""
        try:
            return bool(text.strip()) and self.checks[instruction](text, **arguments)
        except SlowPatternError:
            return False

    def score(self, sample: Sample, request: Request, response: Response) -> Score:
        """The four figures of one answer: all instructions followed, and how many; strictly and loosely read."""
        asked = list(zip(sample.extra["instructions"], sample.extra["arguments"], strict=True))
        strict = [self.follows(response.text, name, arguments) for name, arguments in asked]
        variants = loosened(response.text)
        loose = [s or any(self.follows(v, *pair) for v in variants) for s, pair in zip(strict, asked, strict=True)]
        scores = {
            "prompt_strict": float(all(strict)),
            "prompt_loose": float(all(loose)),
            "followed_strict": float(sum(strict)),
            "followed_loose": float(sum(loose)),
            "instructions": float(len(asked)),
        }
        right = scores[f"prompt_{self.headline}"] == 1.0
        status: Status = "correct" if right else "wrong" if response.text.strip() else "unparsed"
        return Score(status=status, scores=scores, detail={"strict": strict, "loose": loose})

    @contextmanager
    def open_scorer(self, _: RunOptions) -> Iterator[Scorer]:
        """The scorer, its packages loaded: threads that score must not import them at the same time, and what one
        thread has loaded by half must not answer another."""
        load_packages("instructions are checked", *self.packages)
        yield self.score


def loosened(text: str) -> list[str]:
    """The text as it is, without its first line, its last, both, and each of the four without asterisks."""
    lines = text.split("\n")
    cuts = [text, *("\n".join(kept).strip() for kept in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(dict.fromkeys([*cuts, *(cut.replace("*", "") for cut in cuts)]))


def _taken(instruction: str, check: InstructionCheck, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of one instruction as its check takes them; None stands for one that is not there."""
    from pydantic import ValidationError

    present = {name: value for name, value in (said or {}).items() if value is not None}
    try:
        taken: dict[str, Any] = _arguments_of(check).model_validate(present).model_dump(exclude_unset=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        wanted = ", ".join(_arguments_of(check).model_fields) or "none"
        raise ValueError(f"{instruction} takes the arguments: {wanted} ({wrong})") from error
    if (language := taken.get("language", "en")) not in LANGUAGES.split():
        known = ", ".join(LANGUAGES.split())
        raise ValueError(f"{instruction}: the language {language!r} cannot be told; wanted one of {known}")
    for pattern in (taken.get("section_spliter"), taken.get("postscript_marker")):
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{instruction}: {pattern!r} is not a valid regular expression ({error})") from error
    return taken


@cache
def _arguments_of(check: InstructionCheck) -> Any:
    """A model of the arguments of an instruction, made from the signature of its check."""
    from pydantic import ConfigDict, create_model

    _text, *parameters = signature(check, eval_str=True).parameters.values()
    fields: dict[str, Any] = {p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters}
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
