"""One row of a file of recorded answers: which question it answers, and what was answered."""

from __future__ import annotations

import ast
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
IDS = (
    "id", "task_id", "qid", "question_id", "key", "custom_id", "uid", "unique_id", "query_id", "doc_id", "sample_id",
    "example_id", "idx", "index",
)  # fmt: skip
ANSWERS = (
    "response", "responses", "model_response", "model_responses", "model_output", "model_outputs", "model_answer",
    "generated_text", "generation", "generations", "prediction", "predictions", "prediction_text", "predict",
    "completion", "completions", "resps", "filtered_resps", "samples", "pred", "output", "outputs", "solution",
    "solutions", "text",
)  # fmt: skip
QUESTIONS = (
    "question", "instruction", "prompt", "problem", "query", "input", "full_prompt", "origin_prompt", "example",
    "sentence", "sentence1", "premise", "question1",
)  # fmt: skip
GROUPS = ("group", "subject", "category")
CHOICES = ("choices", "options")
NESTED = ("doc", "sample")  # the data set's own row in a line of lm-evaluation-harness, the sample in one of ours
WITHIN = (
    "text",
    "content",
    "output_text",
    *ANSWERS[:-1],
    "answer",
    "message",
    "body",
    "choices",
)  # where answers are objects
# Fields of the data sets themselves (MATH and its like, MBPP), by what stands beside them there.
NOT_THE_ANSWER = {"solution": {"problem", "answer", "gt"}, "text": {"test_list"}}
FINISHES: Mapping[object, Finish] = {
    "stop": "stop", "length": "length", "refused": "refused",
    "max_tokens": "length", "content_filter": "refused", "model_length": "length",
}  # fmt: skip
FACTS = ("finish", "finish_reason", "stop_reason", "tokens_in", "tokens_out", "cost")
MOST_REPEATS = 100_000
NO_IDS = "none"

Turns = tuple[Response, ...]  # what was answered, turn by turn, mostly one; nothing where the answer is null


@dataclass(frozen=True, slots=True)
class Keys:
    """What the user says of a file: where the answer stands and where the id, by key or dotted path; None = known."""

    answer: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answers of one row, and all that says which question they answer.

    `questions` are texts of the question, or prompts that hold it, and `prompt` is the whole prompt of a sample log,
    all with single spaces; `prompt_hash` is sha256 of the prompt as it was. `choices` are the options as the row lists
    them, `continuations` what its log-probabilities are of. `repeat` is None where the order of the file decides.
    """

    where: str
    ids: tuple[str, ...]
    questions: tuple[str, ...]
    prompt: str
    prompt_hash: str
    choices: tuple[str, ...]
    continuations: tuple[str, ...]
    group: str
    repeat: int | None
    answers: tuple[Turns, ...]


def recorded(row: Row, where: str, keys: Keys) -> Recorded:
    """A row read. DataError where it has no answer, or says of no question that it answers it."""
    nested: Row = next((row[name] for name in _of(row, NESTED) if isinstance(row[name], Mapping)), {})
    about = {**nested, **row} if nested else row
    ids = _ids(row, nested, where, keys)
    asked = _asked(row)
    questions = _questions(about) or _longest(nested)
    if not ids and not questions and not asked:
        raise DataError(
            f"{where}: wanted `id` or the question's text under `question`; there is {_there(row)} (--id-key names "
            "another)"
        )
    return Recorded(
        where=where,
        ids=ids,
        questions=tuple(questions),
        prompt=squeezed(asked[0][0]) if asked else "",
        prompt_hash=str(row.get("prompt_hash") or ""),
        choices=next((c for name in _of(about, CHOICES) if (c := _options(about[name]))), ()),
        continuations=tuple(c for _, c in asked) or tuple(_by_label(row)),
        group=str(next((about[name] for name in _of(about, GROUPS) if isinstance(about[name], str)), "")),
        repeat=_repeat(row, where),
        answers=_answers(row, where, keys),
    )


def _of(row: Row, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the known keys that a row has, in their order."""
    return _present(tuple(row), known)


@lru_cache(maxsize=256)
def _present(there: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Kept, because the rows of a file have the same few sets of keys and a file may have a million rows."""
    return tuple(name for name in known if name in there)


def squeezed(text: str) -> str:
    """The text with single spaces: files wrap and indent a question as they like."""
    return " ".join(text.split())


def _there(row: Row) -> str:
    return ", ".join(map(str, row)) or "nothing"


def _at(value: Any, path: str) -> Any:
    """What stands under a key, or at a dotted path of keys and positions; None where the path leads through a null."""
    if value is None or (isinstance(value, Mapping) and path in value):
        return value and value[path]
    first, dot, rest = path.partition(".")
    found = value[int(first) if isinstance(value, list) else first]
    return _at(found, rest) if dot else found


def _named(row: Row, path: str, where: str, option: str) -> Any:
    try:
        return _at(row, path)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{where}: there is no {path!r}, which {option} names; there is {_there(row)}") from error


def _ids(row: Row, nested: Row, where: str, keys: Keys) -> tuple[str, ...]:
    if keys.id == NO_IDS:
        return ()
    if keys.id is not None:
        found = [_named(row, keys.id, where, "--id-key")]
    else:
        found = [next((r[name] for name in _of(r, IDS) if _is_id(r[name])), None) for r in (row, nested)]
    return tuple(dict.fromkeys(str(identity) for identity in found if _is_id(identity)))


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _questions(about: Row) -> list[str]:
    found = {name: text for name in _of(about, QUESTIONS) if (text := _said(about[name]))}
    if "instruction" in found and "input" in found:  # Alpaca's rows: neither is the question by itself
        found["instruction"] += "\n\n" + found.pop("input")
    if not found:
        found = {"messages": next(filter(None, map(_said, _spoken(about, "user"))), "")}
    return [squeezed(text) for text in found.values() if text]


def _spoken(row: Row, role: str) -> list[Any]:
    """What one side of the conversation in `messages` says, turn by turn."""
    messages = row.get("messages")
    turns = messages if isinstance(messages, list) else []
    return [turn.get("content") for turn in turns if isinstance(turn, Mapping) and turn.get("role") == role]


def _longest(nested: Row) -> list[str]:
    """Where a data set's row calls no field a question (premise and hypothesis, two sentences): its longest text."""
    return sorted((squeezed(v) for v in nested.values() if isinstance(v, str) and v.strip()), key=len)[-1:]


def _said(value: object) -> str:
    """A text, or what the messages of a conversation say."""
    if isinstance(value, str):
        return value
    turns = value if isinstance(value, list) and all(isinstance(turn, Mapping) for turn in value) else []
    said = [turn.get("content", turn.get("prompt")) for turn in turns]  # OpenCompass calls a turn's text its prompt
    return "\n\n".join(text for text in said if isinstance(text, str))


def _options(value: object) -> tuple[str, ...]:
    """Choices as a list, in ARC's object of texts and labels, or as the Python literal that CSV tables carry."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return ()
    if isinstance(value, Mapping):
        value = value.get("text")
    if not isinstance(value, list | tuple) or not all(isinstance(v, str | int | float) for v in value):
        return ()
    found = tuple(squeezed(str(v)) for v in value)
    return () if all(len(text) == 1 and text.isalpha() for text in found) else found  # labels are no options


def _asked(row: Row) -> list[tuple[str, str]]:
    """(context, continuation) of each request in a sample log of lm-evaluation-harness, of either generation."""
    arguments = row.get("arguments")
    if isinstance(arguments, Mapping):
        pairs = [(a.get("arg_0"), a.get("arg_1")) for a in arguments.values() if isinstance(a, Mapping)]
    elif isinstance(arguments, list):
        pairs = [(a[0], a[1]) for a in arguments if isinstance(a, list) and len(a) == 2]
    else:
        return []
    return [(c, t if isinstance(t, str) else "") for c, t in pairs if isinstance(c, str)]


def _repeat(row: Row, where: str) -> int | None:
    """Which of several answers to its question a row is; Inspect's epochs count from 1."""
    name, first = ("repeat", 0) if row.get("repeat") is not None else ("epoch", 1)
    found = row.get(name)
    if found is None:
        return None
    if isinstance(found, str) and found.isdigit():
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not first <= found <= MOST_REPEATS:
        raise DataError(f"{where}: its {name} is {found!r:.40}, wanted a whole number from {first} to {MOST_REPEATS}")
    return found - first


def _answers(row: Row, where: str, keys: Keys) -> tuple[Turns, ...]:
    if keys.answer is not None:
        value = _named(row, keys.answer, where, "--answer-key")
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
    names = [name for name in _of(row, ANSWERS) if not NOT_THE_ANSWER.get(name, set()) & row.keys()]
    value = next((row[name] for name in names if row[name] is not None), None)
    if value is None and (isinstance(row.get("logprobs"), list) or _by_label(row)):
        return list(_by_label(row).values()) or row["logprobs"]
    listed = row.get("choices")  # of an OpenAI completion, or FastChat's list of turns; options are texts
    if value is None and isinstance(listed, list) and listed and isinstance(listed[0], Mapping):
        return listed
    if value is None and len(said := _spoken(row, "assistant")) >= max(1, len(_spoken(row, "user"))):
        return {"turns": said}
    if value is None and not names:
        raise DataError(
            f"{where}: wanted the answer under one of text, {', '.join(ANSWERS[:-1])}; there is {_there(row)} "
            "(--answer-key names another)"
        )
    return value


def _by_label(row: Row) -> dict[str, float]:
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
    earlier = _spoken(request, "assistant") if isinstance(request, Mapping) else []
    last = Response(text=str(response.get("text", "")), **{"finish": "stop", **_facts(response, where)})
    return (*(Response(text=str(text), finish="stop") for text in earlier), last)


def _facts(row: Row, where: str) -> dict[str, Any]:
    """What a row says of its answer beside the text: why it ended, tokens, cost."""
    if not _of(row, FACTS):
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
    names = _of(value, WITHIN)
    if value.get("error"):
        return [()]
    name = next((name for name in names if value[name] is not None), None)
    if name is None:
        if names:
            return [()]
        raise DataError(f"{where}: wanted the answer's text in its object; there is {_there(value)}")
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
