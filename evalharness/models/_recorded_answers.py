"""What the model answered, in one row of a file of recorded answers."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

from evalharness.data.sources import Row
from evalharness.errors import DataError
from evalharness.records import Finish, Response

# The first of these that a row has is taken, so the surest come first: `output` and `solution` may be a data set's own
# reference, and `text` its question, where the model's answer stands beside them under another name.
ANSWERS = (
    "response", "responses", "model_response", "model_responses", "model_output", "model_outputs", "model_answer",
    "generated_text", "generation", "generations", "prediction", "predictions", "prediction_text", "predict",
    "completion", "completions", "resps", "filtered_resps", "samples", "pred", "output", "outputs", "solution",
    "solutions", "text",
)  # fmt: skip
# Where the answer is an object.
WITHIN = ("text", "content", "output_text", *ANSWERS[:-1], "answer", "message", "body", "choices")
# Fields of the data sets themselves (MATH and its like, MBPP), by what stands beside them there.
NOT_THE_ANSWER = {"solution": {"problem", "answer", "gt"}, "text": {"test_list"}}
FINISHES: Mapping[object, Finish] = {
    "stop": "stop", "length": "length", "refused": "refused",
    "max_tokens": "length", "content_filter": "refused", "model_length": "length",
}  # fmt: skip
FACTS = ("finish", "finish_reason", "stop_reason", "tokens_in", "tokens_out", "cost")

Turns = tuple[Response, ...]  # what was answered, turn by turn, mostly one; nothing where the answer is null


@dataclass(frozen=True, slots=True)
class AnswerKeys:
    """What the user says of a file: where the answer stands and where the id, by key or dotted path; None = known."""

    answer: str | None = None
    id: str | None = None


def answers_in(row: Row, where: str, keys: AnswerKeys) -> tuple[Turns, ...]:
    if keys.answer is not None:
        value = named_by(row, keys.answer, where, "--answer-key")
    elif _is_ours(row):
        return (_ours(row, where),)
    else:
        value = _found(row, where)
    found, facts = _read(value, where) or [()], _facts(row, where)
    if row.get("error") and not any(r.text or r.logprobs for turns in found for r in turns):
        return ((),)
    if not facts:
        return tuple(found)
    if len(found) > 1:  # tokens and cost are those of all the answers of the row
        facts = {k: v for k, v in facts.items() if k == "finish"}
    return tuple(tuple(r if r.logprobs else replace(r, **facts) for r in turns) for turns in found)


def _found(row: Row, where: str) -> Any:
    """What stands under the first known key that is not null; None where all of them are."""
    names = [name for name in known_keys(row, ANSWERS) if not NOT_THE_ANSWER.get(name, set()) & row.keys()]
    value = next((row[name] for name in names if row[name] is not None), None)
    if value is None and (isinstance(row.get("logprobs"), list) or logprobs_by_label(row)):
        return list(logprobs_by_label(row).values()) or row["logprobs"]
    listed = row.get("choices")  # of an OpenAI completion, or FastChat's list of turns; options are texts
    if value is None and isinstance(listed, list) and listed and isinstance(listed[0], Mapping):
        return listed
    if value is None and len(said := spoken_by(row, "assistant")) >= max(1, len(spoken_by(row, "user"))):
        return {"turns": said}
    if value is None and not names:
        raise DataError(
            f"{where}: wanted the answer under one of text, {', '.join(ANSWERS[:-1])}; there is {keys_of(row)} "
            "(--answer-key names another)"
        )
    return value


def logprobs_by_label(row: Row) -> dict[str, float]:
    """Log-probabilities by the letter of each choice, in the order of letters, or by its text."""
    held = row.get("logprobs")
    if not isinstance(held, Mapping) or not all(isinstance(v, int | float) for v in held.values()):
        return {}
    labels = sorted(held) if all(len(label) == 1 for label in held) else held
    return {label: held[label] for label in labels}


def _is_ours(row: Row) -> bool:
    return isinstance(row.get("response"), Mapping) and {"benchmark", "status"} <= row.keys()


def _ours(row: Row, where: str) -> Turns:
    """The answer in a line of a run's journal, which leaves out what is empty."""
    response, request = row["response"], row.get("request")
    if response.get("error"):
        return ()
    if response.get("logprobs"):
        held, greedy = response["logprobs"], response.get("greedy")
        logprobs = _logprobs(held if isinstance(held, list) else [held], where)
        return (Response(logprobs=logprobs, greedy=tuple(map(bool, greedy)) if isinstance(greedy, list) else ()),)
    earlier = spoken_by(request, "assistant") if isinstance(request, Mapping) else []
    last = Response(text=str(response.get("text", "")), **{"finish": "stop", **_facts(response, where)})
    return (*(Response(text=str(text), finish="stop") for text in earlier), last)


def _facts(row: Row, where: str) -> dict[str, Any]:
    """What a row says of its answer beside the text: why it ended, tokens, cost."""
    if not known_keys(row, FACTS):
        return {}
    found: dict[str, Any] = {}
    finish = row.get("finish") or row.get("finish_reason") or row.get("stop_reason")
    if isinstance(finish, str) and finish in FINISHES:
        found["finish"] = FINISHES[finish]
    for name in ("tokens_in", "tokens_out", "cost"):
        value = _number(row.get(name))
        if row.get(name) is not None and (value is None or value < 0):
            raise DataError(f"{where}: its {name} is {row[name]!r:.40}, wanted a number, 0 or more")
        if value is not None:
            found[name] = value if name == "cost" else int(value)
    return found


def _number(value: object) -> float | None:
    """A finite number, or a text of one (lm-evaluation-harness writes log-probabilities as texts), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _read(value: object, where: str) -> list[Turns]:
    """The answers in a value: a text, several in a list, an object that holds them, or log-probabilities."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return [()]
    if isinstance(value, str):
        return [(Response(text=value, finish="stop"),)]
    if isinstance(value, Mapping):
        return _of_object(value, where)
    if not isinstance(value, list | tuple):
        raise DataError(f"{where}: wanted the answer as text, there is {type(value).__name__}")
    if (ranked := _ranked(value, where)) is not None:
        return [(ranked,)]
    if value and all(isinstance(part, Mapping) and "type" in part for part in value):  # the parts of one message
        texts = [part.get("text") or "" for part in value if part["type"] in ("text", "output_text")]
        return _read("".join(texts), where)
    return [turns for part in value for turns in _read(part, where)]


def _of_object(value: Row, where: str) -> list[Turns]:
    facts = _facts(value, where)
    if isinstance(value.get("turns"), list):  # FastChat: the answers to the turns of one conversation
        return [tuple(r for turn in value["turns"] for turns in _read(turn, where) for r in turns)]
    names = known_keys(value, WITHIN)
    if value.get("error"):
        return [()]
    name = next((name for name in names if value[name] is not None), None)
    if name is None:
        if names:
            return [()]
        raise DataError(f"{where}: wanted the answer's text in its object; there is {keys_of(value)}")
    return [tuple(replace(r, **facts) for r in turns) for turns in _read(value[name], where)]


def _ranked(value: Sequence[object], where: str) -> Response | None:
    """Log-probabilities of the choices: numbers, or the pairs (log-probability, greedy) of lm-evaluation-harness, each
    in a list of its own or not. None where the list is something else."""
    rows = [v[0] if isinstance(v, list) and len(v) == 1 and isinstance(v[0], list) else v for v in value]
    if rows and all(isinstance(v, list) and len(v) == 2 and _truth(v[1]) is not None for v in rows):
        pairs = cast("list[list[object]]", rows)
        return Response(
            logprobs=_logprobs([pair[0] for pair in pairs], where), greedy=tuple(bool(_truth(p[1])) for p in pairs)
        )
    if rows and all(isinstance(v, int | float) and not isinstance(v, bool) for v in rows):
        return Response(logprobs=_logprobs(rows, where))
    return None


def _logprobs(values: Sequence[object], where: str) -> tuple[float, ...]:
    """A choice of no probability at all gets the least number there is: a journal is JSON, which has no infinity."""
    found = tuple(-sys.float_info.max if v in (-math.inf, "-inf") else _number(v) for v in values)
    if None in found:
        raise DataError(f"{where}: wanted log-probabilities, there is {list(values)!r:.60}")
    return cast("tuple[float, ...]", found)


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else {"True": True, "False": False}.get(str(value))


def spoken_by(row: Row, role: str) -> list[Any]:
    """What one side of the conversation in `messages` says, turn by turn."""
    messages = row.get("messages")
    turns = messages if isinstance(messages, list) else []
    return [turn.get("content") for turn in turns if isinstance(turn, Mapping) and turn.get("role") == role]


def known_keys(row: Row, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the known keys that a row has, in their order."""
    return _present(tuple(row), known)


@lru_cache(maxsize=256)
def _present(there: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Kept, because the rows of a file have the same few sets of keys and a file may have a million rows."""
    return tuple(name for name in known if name in there)


def keys_of(row: Row) -> str:
    return ", ".join(map(str, row)) or "nothing"


def at_path(value: Any, path: str) -> Any:
    """What stands under a key, or at a dotted path of keys and positions; None where the path leads through a null."""
    if value is None or (isinstance(value, Mapping) and path in value):
        return value and value[path]
    first, dot, rest = path.partition(".")
    found = value[int(first) if isinstance(value, list) else first]
    return at_path(found, rest) if dot else found


def named_by(row: Row, path: str, where: str, option: str) -> Any:
    try:
        return at_path(row, path)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{where}: there is no {path!r}, which {option} names; there is {keys_of(row)}") from error
