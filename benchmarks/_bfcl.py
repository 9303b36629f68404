"""BFCL's rows and files, and what is asked: the functions as JSON, the calls wanted as a list in Python's spelling, or
in that of Java or JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.data.files import jsonl
from evalharness.data.rows import Files, Row, Source, Want
from evalharness.records import Message, Mode, Request, Response, Sample, Score

from ._bfcl_calls import PYTHON, Call, Spelling, all_match, one_of, read_calls
from ._bfcl_trees import parser_of, read_java, read_javascript
from ._bfcl_values import JAVA, JAVASCRIPT, java_text, javascript_text

ITEMS = {
    "simple": 400, "multiple": 200, "parallel": 200, "parallel_multiple": 200, "irrelevance": 240, "live_simple": 258,
    "live_multiple": 1053, "live_parallel": 16, "live_parallel_multiple": 24, "live_irrelevance": 884,
    "live_relevance": 16, "java": 100, "javascript": 50,
}  # fmt: skip
_HUB = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
_SPELLINGS: Mapping[str, Spelling] = {"java": JAVA, "javascript": JAVASCRIPT}  # by category; the others are in Python
IN_TREES = tuple(_SPELLINGS)  # read by tree-sitter, of the extra `bfcl`
_READERS = {"java": read_java, "javascript": read_javascript}
_NAMES = {"java": "Java", "javascript": "JavaScript"}
_SYSTEM = (
    "You are given functions and a question. Answer with the calls that it takes, as one list in {}'s spelling and "
    "nothing else: [name(argument=value, ...), ...]. Where no function fits, or an argument that is needed is not "
    "given, say so in words and call nothing.\n\nThe functions, as JSON:\n{}"
)


def source(category: str) -> Source:
    """The hub keeps questions and right answers in two files; both are read of the authors' folder."""
    return Source(_HUB, config=category, hub_file=f"BFCL_v3_{category}.json", files=_files(category))


def _files(category: str) -> Files:
    newer = {"simple": "simple_python.json", "java": "simple_java.json", "javascript": "simple_javascript.json"}
    names = (*([newer[category]] if category in newer else ()), f"{category}.json")

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        folders = [path, path / "data", path / "bfcl_eval" / "data"]
        found = [path] if path.is_file() else [f for folder in folders for f in _newest(folder, names)][:1]
        return _with_answers(found[0]) if found and found[0].suffix == ".json" else None

    return Files(f"BFCL_v4_{names[0]} of the authors, and the same in the folder possible_answer beside it", read)


def _newest(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of a category, that of the latest version first."""
    return sorted((file for name in names for file in folder.glob(f"BFCL_v[0-9]_{name}")), reverse=True)


def _with_answers(file: Path) -> Iterator[Row]:
    """The rows of a file, each with its `ground_truth` where a file of right answers stands beside it."""
    beside = file.parent / "possible_answer" / file.name
    answers = {row["id"]: row["ground_truth"] for row in jsonl(beside)} if beside.is_file() else {}
    for row in jsonl(file):
        yield {**row, "ground_truth": answers[row["id"]]} if row["id"] in answers else row


def sample(category: str) -> Callable[[Row], Sample]:
    """A question of one turn. What is right is in `extra`: the calls with their allowed values, or whether any is."""

    def made(row: Row) -> Sample:
        (turn,) = row["question"]
        functions = [row["function"]] if isinstance(row["function"], Mapping) else list(row["function"])
        wanted = None if "relevance" in category else row.get("ground_truth")
        if wanted is None and "relevance" not in category:
            raise ValueError("the right answers stand in another file: say --data with the authors' folder")
        return Sample(
            id=str(row["id"]), question=str(turn[-1]["content"]),
            extra={
                "turn": [[message["role"], message["content"]] for message in turn], "functions": functions,
                "wanted": wanted, "category": category,
            },
        )  # fmt: skip

    return made


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    """The functions come as the system's message; a base model reads all messages one after the other."""
    category = asked.extra["category"]
    if category in _SPELLINGS:
        parser_of(category)  # said before anything is asked, where it is not installed
    functions = json.dumps(asked.extra["functions"], ensure_ascii=False)
    system = Message("system", _SYSTEM.format(_NAMES.get(category, "Python"), functions))
    if chat:
        turn = tuple(Message(role, content) for role, content in asked.extra["turn"])
        return Request(messages=(system, *turn), max_tokens=1024)
    said = "\n".join(content for _, content in asked.extra["turn"])
    text = f"{system.content}\n\nQuestion: {said}\nCalls:"
    return Request(messages=(Message("user", text),), max_tokens=512, stop=("\nQuestion:",))


def written(asked: Sample) -> str:
    """The right calls with the first of the allowed values; an empty list, or any call, where none are told."""
    if asked.extra["category"] in _SPELLINGS:
        (call,) = asked.extra["wanted"]
        return f" [{_in_braces(call, asked.extra['functions'], asked.extra['category'])}]"
    if asked.extra["wanted"] is None:
        calls: list[Call] = (
            [] if "irrelevance" in asked.extra["category"] else [(asked.extra["functions"][0]["name"], {})]
        )
    else:
        calls = [(name, one_of(allowed)) for call in asked.extra["wanted"] for name, allowed in call.items()]
    spelled = (f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})" for name, given in calls)
    return f" [{', '.join(spelled)}]"


def _in_braces(call: Mapping[str, Any], functions: Sequence[Mapping[str, Any]], category: str) -> str:
    """A right call of Java or JavaScript with the first of the allowed values."""
    ((name, allowed),) = call.items()
    described = functions[0]["parameters"]["properties"]
    spelled = java_text if category == "java" else javascript_text
    given = (f"{key}={spelled(value, described.get(key, {}))}" for key, value in one_of(allowed).items())
    return f"{name}({', '.join(given)})"


def calls_match(sample: Sample, request: Request, response: Response) -> Score:
    """`accuracy`: the calls are those wanted, or nothing is called where no function fits. `accuracy_fenced` reads the
    calls also out of a code block, which the authors count as no answer."""
    fenced = re.sub(r"\A\s*```\w*\n(.*?)\n?```\s*\Z", r"\1", response.text, flags=re.DOTALL)
    read = _READERS.get(sample.extra["category"], read_calls)
    calls, in_fence = read(response.text), read(fenced)
    scores = {"accuracy": float(_right(sample, calls)), "accuracy_fenced": float(_right(sample, in_fence))}
    if not calls and sample.extra["wanted"] is not None:
        return Score(status="unparsed", scores=scores)
    said = response.text.strip() if not calls else json.dumps(_plain(calls), ensure_ascii=False)
    return Score(status="correct" if scores["accuracy"] else "wrong", scores=scores, answer=said)


def _right(sample: Sample, calls: Sequence[Call] | None) -> bool:
    category, wanted = sample.extra["category"], sample.extra["wanted"]
    if wanted is None:
        return bool(calls) == ("irrelevance" not in category)
    if calls is None:
        return False
    spelling = _SPELLINGS.get(category, PYTHON)
    return all_match(calls, sample.extra["functions"], wanted, any_order="parallel" in category, spelling=spelling)


def _plain(calls: Sequence[Call]) -> list[Any]:
    """The calls as they stand in a journal."""
    return [{name: {key: repr(value) for key, value in given.items()}} for name, given in calls]
