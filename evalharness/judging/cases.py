"""From the results of a run to the cases that a judge sees: conversations, references, and the other side of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evalharness.building_blocks.multiple_choice import question_with_options
from evalharness.errors import UserError, option_name
from evalharness.judge import JudgeCase, Turns
from evalharness.records import Result, ResultKey
from evalharness.runs.index import index_of
from evalharness.runs.store import Run, find_run
from evalharness.scoring.answers import LETTERS, best
from evalharness.scoring.final_answer import final_answer

if TYPE_CHECKING:
    from evalharness.judging.panel import JudgePanel


def nothing_to_judge(run: Run, skipped: Mapping[str, int], jury: JudgePanel) -> UserError:
    """The error of a run of which no answer can be judged, for these reasons."""
    reasons = ", ".join(f"{n} with {reason}" for reason, n in sorted(skipped.items()))
    way_out = (
        f"give {option_name('against', 'RUN')}" if jury.pairs else "choose a judge that needs none, such as rubric"
    )
    return UserError(f"{run.name}: nothing can be judged: {reasons}; {way_out}")


def case_of(result: Result, jury: JudgePanel, against: str, other: Opponents | None) -> JudgeCase | str:
    """What a jury sees of one answer; or why the answer cannot be judged."""
    if result.status == "error":
        return "no answer"
    reference, turns = reference_of(result), turns_of(result)
    opponent: Turns | None = None
    if other is not None:
        theirs = other.get(result.key)
        opponent = turns_of(theirs) if theirs is not None and theirs.status != "error" else None
        if opponent is None:
            return f"no answer in {against}"
    elif jury.pairs:
        opponent = _reference_turns(result, turns)
    needs = any(seat.judge.reference == "required" for seat in jury.seats)
    if (jury.pairs and opponent is None) or (needs and reference is None):
        return "no reference"
    # An answer that is compared with the reference is not also shown it as the truth.
    shown = None if jury.pairs and other is None else reference
    return JudgeCase(id=result.sample.id, turns=turns, reference=shown, against=opponent, extra=result.sample.extra)


Opponents = Mapping[ResultKey, Result]


def opposing_run(run: Run, against: str) -> Run | None:
    """The run that answers are compared with; None where it is none, or the reference. UserError for the run itself."""
    if against in ("", "reference"):
        return None
    found = find_run(against, run.path.parent)
    if found.path.resolve() == run.path.resolve():
        raise UserError(f"{option_name('against', against)}: this is the run itself; name another")
    return found


def opponents(run: Run, against: str) -> Opponents | None:
    """The answers of the run that answers are compared with; None where there is none. UserError where it has none."""
    found = opposing_run(run, against)
    if found is None:
        return None
    other = index_of(found)
    if not len(other):
        raise UserError(f"{option_name('against', against)}: that run has no answers")
    return other


def question_of(result: Result) -> str:
    """The question as a person would read it, options included, examples not."""
    sample = result.sample
    return question_with_options(sample) if sample.choices else sample.question


def answer_of(result: Result) -> str:
    """What the model answered: its text without its thinking, or the choice that it ranked first."""
    if result.response.logprobs and not result.response.text:
        return _choice(result, best(result.response.logprobs))
    return final_answer(result.response.text).text


def _choice(result: Result, position: int) -> str:
    choices = result.sample.choices
    letter = LETTERS[position] if position < len(LETTERS) else str(position)
    return f"{letter}. {choices[position]}" if position < len(choices) else letter


def reference_of(result: Result) -> str | None:
    """The data set's own output; several accepted answers on a line each. None where there is none."""
    sample = result.sample
    if sample.choices and sample.gold_indices:
        return "\n".join(_choice(result, g) for g in sample.gold_indices)
    return "\n".join(dict.fromkeys(sample.answers)) if any(sample.answers) else None


def turns_of(result: Result) -> Turns:
    """The conversation: one turn, or those that the request's messages hold."""
    messages = result.request.messages
    if not any(m.role == "assistant" for m in messages):
        return ((question_of(result), answer_of(result)),)
    said = [m for m in messages if m.role != "system"]
    asked = [m.content for m in said if m.role == "user"]
    answered = [m.content for m in said if m.role == "assistant"]
    return tuple(zip(asked, [*answered, answer_of(result)], strict=False))


def _reference_turns(result: Result, turns: Turns) -> Turns | None:
    """The data set's outputs as the other side of a pair, for every turn."""
    given = result.sample.extra.get("references") or result.sample.answers[:1]
    if len(turns) == 1 and result.sample.choices:
        whole = reference_of(result)
        given = (whole,) if whole else ()
    if len(given) < len(turns) or not all(given):
        return None
    return tuple((asked, str(text)) for (asked, _), text in zip(turns, given, strict=False))
