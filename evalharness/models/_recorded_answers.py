"""What the model answered, in one row of a file of recorded answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from evalharness.data.rows import Row
from evalharness.data.typed import number, record
from evalharness.errors import DataError, option_name
from evalharness.records import IMPOSSIBLE, Finish, Response


class KnownKeys(tuple[str, ...]):
    """Keys that are looked for in rows, the surest first. What a row's keys have of them is kept: the rows of a file
    have the same few keys, and a file may have a million rows."""

    def __new__(cls, *keys: str) -> KnownKeys:
        made = super().__new__(cls, keys)
        made._kept = {}
        return made

    _kept: dict[tuple[str, ...], tuple[str, ...]]

    def of(self, row: Row) -> tuple[str, ...]:
        """Those that a row has, in their order here."""
        there = tuple(row)
        found = self._kept.get(there)
        if found is None:
            if len(self._kept) >= 256:
                self._kept.clear()
            found = self._kept[there] = tuple(key for key in self if key in there)
        return found


# The first of these that a row has is taken, so the surest come first: `output` and `solution` may be a data set's own
# reference, and `text` its question, where the model's answer stands beside them under another name.
ANSWERS = KnownKeys(
    "response", "responses", "model_response", "model_responses", "model_output", "model_outputs", "model_answer",
    "generated_text", "generation", "generations", "prediction", "predictions", "prediction_text", "predict",
    "completion", "completions", "resps", "filtered_resps", "samples", "pred", "output", "outputs", "solution",
    "solutions", "text",
)  # fmt: skip
# Where the answer is an object.
WITHIN = KnownKeys("text", "content", "output_text", *ANSWERS[:-1], "answer", "message", "body", "choices")
# Fields of the data sets themselves (MATH and its like, MBPP), by what stands beside them there.
NOT_THE_ANSWER = {"solution": {"problem", "answer", "gt"}, "text": {"test_list"}}
FINISHES: Mapping[object, Finish] = {
    "stop": "stop", "length": "length", "refused": "refused",
    "max_tokens": "length", "content_filter": "refused", "model_length": "length",
}  # fmt: skip
FACTS = KnownKeys("finish", "finish_reason", "stop_reason", "tokens_in", "tokens_out", "cost", "logprobs")

Turns = tuple[Response, ...]  # what was answered, turn by turn, mostly one; nothing where the answer is null


@dataclass(frozen=True, slots=True)
class AnswerKeys:
    """What the user says of a file: where the answer stands and where the id, by key or dotted path; None = known."""

    answer: str | None = None
    id: str | None = None


def answers_in(row: Row, where: str, keys: AnswerKeys) -> tuple[Turns, ...]:
    """The answers of a row. DataError where there are none, and where what stands beside them is of another kind."""
    if keys.answer is None and _is_ours(row):
        return (_ours(row, where),)
    facts = _facts(row, where)
    value = _found(row, where) if keys.answer is None else named_by(row, keys.answer, where, "answer_key")
    found = _read(value, where) or [()]
    if row.get("error") and not any(r.text or r.logprobs for turns in found for r in turns):
        return ((),)
    if not facts:
        return tuple(found)
    if len(found) > 1:  # tokens and cost are those of all the answers of the row
        facts = {k: v for k, v in facts.items() if k == "finish"}
    return tuple(tuple(r if r.logprobs else replace(r, **facts) for r in turns) for turns in found)


def _found(row: Row, where: str) -> Any:
    """What stands under the first known key that is not null; None where all of them are."""
    names = [name for name in ANSWERS.of(row) if name not in NOT_THE_ANSWER or not NOT_THE_ANSWER[name] & row.keys()]
    value = next((row[name] for name in names if row[name] is not None), None)
    if value is None and (isinstance(row.get("logprobs"), list) or logprobs_by_label(row)):
        held = list(logprobs_by_label(row).values()) or row["logprobs"]
        return [float(v) if isinstance(v, str) else v for v in held]
    listed = row.get("choices")  # of an OpenAI completion, or FastChat's list of turns; options are texts
    if value is None and isinstance(listed, list) and listed and isinstance(listed[0], Mapping):
        return listed
    if value is None and len(said := spoken_by(row, "assistant")) >= max(1, len(spoken_by(row, "user"))):
        return {"turns": said}
    if value is None and not names:
        raise DataError(
            f"{where}: wanted the answer under one of text, {', '.join(ANSWERS[:-1])}; there is {keys_of(row)} "
            f"({option_name('answer_key')} names another)"
        )
    return value


def logprobs_by_label(row: Row) -> dict[str, float]:
    """Log-probabilities by the letter of each choice, in the order of letters, or by its text."""
    held = row.get("logprobs")
    if not isinstance(held, Mapping) or any(type(v) not in (int, float) for v in held.values()):
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
        held, greedy = response["logprobs"], response.get("greedy") or ()
        logprobs = _logprobs(held if isinstance(held, list) else [held], where)
        ranked = _typed({"logprobs": logprobs, "greedy": greedy}, where)
        if len(ranked.greedy) not in (0, len(logprobs)):
            raise DataError(f"{where}: its greedy has {len(ranked.greedy)} entries, its logprobs {len(logprobs)}")
        return (ranked,)
    earlier = spoken_by(request, "assistant") if isinstance(request, Mapping) else []
    last = {"text": response.get("text", ""), "finish": "stop", **_facts(response, where)}
    return (*(_typed({"text": text, "finish": "stop"}, where) for text in earlier), _typed(last, where))


def _typed(values: Mapping[str, object], where: str) -> Response:
    try:
        return record(Response, values)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None


def _facts(row: Row, where: str) -> dict[str, Any]:
    """What a row says of its answer beside the text: why it ended, tokens, cost."""
    if not FACTS.of(row):
        return {}
    found: dict[str, Any] = {}
    finish = row.get("finish") or row.get("finish_reason") or row.get("stop_reason")
    if isinstance(finish, str) and finish in FINISHES:
        found["finish"] = FINISHES[finish]
    for name, read in (("tokens_in", whole), ("tokens_out", whole), ("cost", _number)):
        if row.get(name) is None:
            continue
        value = read(row[name])
        if value is None or value < 0:
            wanted = "whole" if read is whole else "finite"
            raise DataError(f"{where}: its {name} is {row[name]!r:.40}, wanted a {wanted} number, 0 or more")
        found[name] = value
    if _is_odd(row.get("logprobs")):
        raise DataError(f"{where}: its logprobs is {row['logprobs']!r:.60}, wanted a list of finite numbers")
    return found


def _is_odd(logprobs: object) -> bool:
    """Whether no reader could mean it: a word, or a list with one, with NaN or true. Log-probabilities of tokens, which
    stand beside a text, are lists and objects of many layouts, and a table has them as texts; all these are left alone.
    """
    if isinstance(logprobs, str):
        return not logprobs.lstrip().startswith(("[", "{")) and bool(logprobs) and _logprob(logprobs) is None
    listed = logprobs if isinstance(logprobs, list) else []
    return any(not isinstance(v, list | Mapping | None) and _logprob(v) is None for v in listed)


def _number(value: object) -> float | None:
    """A finite number, or a text of one (lm-evaluation-harness writes log-probabilities as texts), else None."""
    try:
        return float(number(float(value) if isinstance(value, str) else value))
    except ValueError:
        return None


def whole(value: object) -> int | None:
    """A whole number, also as a text, or as the fraction that a table makes of it (`3.0`), else None."""
    found = _number(value)
    return None if found is None or not found.is_integer() or _number(int(found)) is None else int(found)


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
        if odd := [text for text in texts if not isinstance(text, str)]:
            raise DataError(f"{where}: wanted the answer as text, there is {type(odd[0]).__name__}")
        return _read("".join(texts), where)
    return [turns for part in value for turns in _read(part, where)]


def _of_object(value: Row, where: str) -> list[Turns]:
    facts = _facts(value, where)
    if isinstance(value.get("turns"), list):  # FastChat: the answers to the turns of one conversation
        return [tuple(r for turn in value["turns"] for turns in _read(turn, where) for r in turns)]
    names = WITHIN.of(value)
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
    found = tuple(map(_logprob, values))
    if None in found:
        raise DataError(f"{where}: wanted log-probabilities, there is {list(values)!r:.60}")
    return cast("tuple[float, ...]", found)


def _logprob(value: object) -> float | None:
    return IMPOSSIBLE if value in (-math.inf, "-inf") else _number(value)


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else {"True": True, "False": False}.get(str(value))


def spoken_by(row: Row, role: str) -> list[Any]:
    """What one side of the conversation in `messages` says, turn by turn."""
    messages = row.get("messages")
    turns = messages if isinstance(messages, list) else []
    return [turn.get("content") for turn in turns if isinstance(turn, Mapping) and turn.get("role") == role]


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
        raise DataError(
            f"{where}: there is no {path!r}, which {option_name(option)} names; there is {keys_of(row)}"
        ) from error
