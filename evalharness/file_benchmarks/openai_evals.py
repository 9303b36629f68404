"""A registry of OpenAI Evals, read as it is: evals, eval sets, samples, and the scores of its basic classes
(https://github.com/openai/evals; evals/registry.py, evals/elsuite/basic).

`evalh run openai_evals/NAME --data REGISTRY`: NAME is an eval, an alias of one, or an eval set. With a samples file as
data, NAME is the class to score it by (`openai_evals/match --data samples.jsonl`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from evalharness.data.files import inside, json_value, jsonl, read_text
from evalharness.data.rows import Row
from evalharness.data.yaml_lines import parsed
from evalharness.errors import DataError, UserError, nearest, option_name
from evalharness.records import Message, Request, Response, Role, Sample, Score
from evalharness.scoring.answers import against, binary_score, unparsed_score, unscored

SUPPORTED = ("Match", "Includes", "FuzzyMatch", "JsonMatch", "ModelBasedClassify")
BY_NAME = {"match": "Match", "includes": "Includes", "fuzzy_match": "FuzzyMatch", "json_match": "JsonMatch"}
MAX_TOKENS = {"Match": 500, "Includes": 500, "FuzzyMatch": 100, "JsonMatch": 512, "ModelBasedClassify": 1024}
INPUTS, IDEALS = ("input", "prompt", "question"), ("ideal", "completion", "answer", "answerKey")
POINTER = "version https://git-lfs"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One eval: its class, the class's arguments, and the file of its samples."""

    name: str
    kind: str
    samples: Path
    args: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""


def root_of(path: Path) -> Path:
    """The registry in a folder: the folder itself, or that of a checkout of openai/evals."""
    found = next((p for p in (path, path / "evals" / "registry", path / "registry") if (p / "data").is_dir()), None)
    if found is None or not (found / "evals").is_dir():
        raise DataError(
            f"{option_name('data', path)}: wanted a registry of OpenAI Evals (folders evals/ and data/), or a samples "
            "file"
        )
    return found


@cache
def entries(folder: Path) -> dict[str, tuple[Path, Any]]:
    """Every name in the YAML files of a folder, with its file. DataError names line and column of bad YAML."""
    found: dict[str, tuple[Path, Any]] = {}
    for file in sorted(folder.rglob("*.yaml")) if folder.is_dir() else ():
        said, _ = parsed(file, strict=False)  # the published registry has a key twice
        if isinstance(said, dict):
            found.update((name, (file, value)) for name, value in said.items())
    return found


def eval_set_members(name: str, path: Path | None) -> tuple[str, ...]:
    """The evals of an eval set (patterns with * too); the name itself where it is no set."""
    if path is None or path.is_file():
        return (name,)
    root = root_of(path)
    _, held = entries(root / "eval_sets").get(name, (path, None))
    if not isinstance(held, dict) or name in entries(root / "evals"):
        return (name,)
    known = entries(root / "evals")
    listed = [str(pattern) for pattern in held.get("evals") or ()]
    return tuple(
        dict.fromkeys(e for p in listed for e in ([k for k in known if fnmatchcase(k, p)] if "*" in p else [p]))
    )


def discover(path: Path) -> tuple[str, ...]:
    """The evals of supported classes whose samples are there."""
    if path.is_file():
        return tuple(BY_NAME)
    root = root_of(path)
    found = []
    for name, (_, held) in entries(root / "evals").items():
        if isinstance(held, dict) and "class" in held and _kind(held) in SUPPORTED:
            file = _samples(held, root)
            if file is not None and file.is_file():
                found.append(name)
    return tuple(sorted(found))


def spec(name: str, path: Path) -> Spec:
    """The eval of that name or alias. UserError for an unknown name or a class that is not supported."""
    if path.is_file():
        if name not in BY_NAME:
            raise UserError(f"a samples file is scored by one of openai_evals/{', openai_evals/'.join(BY_NAME)}")
        return Spec(name=name, kind=BY_NAME[name], samples=path)
    root = root_of(path)
    known = entries(root / "evals")
    seen: list[str] = []
    current, about = name, ""
    while True:
        if current not in known:
            said = f" (which {name} stands for)" if seen else ""
            raise UserError(f"there is no eval called {current!r}{said} in {root}{nearest(current, known)}")
        if current in seen:
            raise DataError(f"{known[current][0]}: the name {current!r} stands for itself")
        seen.append(current)
        file, held = known[current]
        about = about or (str(held.get("description") or "") if isinstance(held, dict) else "")
        alias = held if isinstance(held, str) else held.get("id") if isinstance(held, dict) else None
        if alias is None:
            break
        current = str(alias)
    return _spec(current, file, held, root, about)


def _spec(name: str, file: Path, held: Any, root: Path, about: str) -> Spec:
    if not isinstance(held, dict) or "class" not in held:
        raise DataError(f"{file}: the eval {name!r} has neither a class nor an id")
    kind = _kind(held)
    if kind not in SUPPORTED:
        raise UserError(
            f"{name} is of the class {str(held['class']).strip()}, which is not supported; "
            f"there is {', '.join(SUPPORTED)}"
        )
    args = _args(held)
    if args is None:
        raise DataError(f"{file}: the args of the eval {name!r} are no mapping")
    for asked in ("metaeval", "multicomp_n"):
        if args.get(asked):
            raise UserError(f"{name} wants {kind} with {asked}={args[asked]}, which is not supported")
    samples = _samples(held, root)
    if samples is None:
        raise DataError(f"{file}: the eval {name!r} has no samples_jsonl")
    return Spec(name=name, kind=kind, samples=samples, args=args, about=about)


def _kind(held: Mapping[str, Any]) -> str:
    return str(held["class"]).strip().rsplit(":", 1)[-1]


def _args(held: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The arguments of an eval's class; None where they are of another kind."""
    args = held.get("args") or {}
    return args if isinstance(args, Mapping) else None


def _samples(held: Mapping[str, Any], root: Path) -> Path | None:
    named = (_args(held) or {}).get("samples_jsonl")
    return _data(root, str(named)) if named else None


def _data(root: Path, named: str) -> Path:
    return root / "data" / named


def eval_rows(found: Spec, path: Path) -> Iterator[Row]:
    """The samples of an eval with what its scores need. DataError when the file is absent or a Git LFS pointer."""
    few, registry = found.args.get("few_shot_jsonl"), None if path.is_file() else root_of(path)
    examples = [row["sample"] for row in _lines(_data(root_of(path), str(few)), found.name, registry)] if few else []
    count = found.args.get("num_few_shot", 0)
    if type(count) is not int or count < 0:
        raise DataError(f"the eval {found.name} wants num_few_shot={count!r:.40}; a whole number is meant")
    facts = {"kind": found.kind, "args": dict(found.args)}
    return (
        {**facts, "shots": _shots(examples, row, count), "sample": row}
        for row in _lines(found.samples, found.name, registry)
    )


def _shots(examples: Sequence[Sequence[Row]], row: Row, count: int) -> list[Row]:
    """The turns of the first examples, without one that asks the question of the row itself."""
    asked = next((row[name] for name in INPUTS if name in row), "")
    text = asked[-1].get("content") if isinstance(asked, list) and asked and isinstance(asked[-1], Mapping) else asked
    others = [turns for turns in examples if all(turn.get("content") != text for turn in turns)]
    return [turn for turns in others[:count] for turn in turns]


def judge_of(found: Spec, path: Path) -> tuple[str, str]:
    """The judge of a model-graded eval, and the name of its score. `fact` gives its choices no worth: ours does."""
    key = str(found.args.get("modelgraded_spec"))
    held = entries(root_of(path) / "modelgraded")
    if key not in held:
        raise DataError(
            f"{found.name}: there is no modelgraded spec called {key!r} in the registry{nearest(key, held)}"
        )
    return ("reference", "judge_correct") if key == "fact" else (f"{held[key][0]}#{key}", f"judge_{key}")


def _lines(file: Path, name: str, registry: Path | None) -> Iterator[Row]:
    try:
        if registry is not None:
            inside(registry / "data", file, registry)
        there = file.is_file()
    except OSError:  # a name that no file can have
        there = False
    if not there:
        raise DataError(f"{name}: its samples are not there, {str(file)[:300]} is missing")
    if read_text(file).startswith(POINTER):
        raise DataError(f"{file}: a Git LFS pointer and no samples; say `git lfs pull` in the checkout")
    return jsonl(file)


def eval_sample(row: Row) -> Sample:
    """A sample's input is a text or a conversation, its ideal one text or several (numbers are texts here)."""
    said, kind = row["sample"], row["kind"]
    asked = next((said[name] for name in INPUTS if name in said), None)
    ideal = next((said[name] for name in IDEALS if name in said), None)
    if asked is None or (ideal is None and kind != "ModelBasedClassify"):
        raise ValueError(f"a sample wants input and ideal; it has {', '.join(said)}")
    if isinstance(asked, str) and isinstance(said.get("choices"), Mapping):
        asked += "".join(f"\n{a}. {t}" for a, t in zip(said["choices"]["label"], said["choices"]["text"], strict=True))
    turns = asked if isinstance(asked, list) else [{"role": "user", "content": str(asked)}]
    turns = [*turns[:-1], *row.get("shots", ()), *turns[-1:]]
    if not all(map(_is_turn, turns)):
        raise ValueError("a turn of a conversation wants a role (a text) and a content")
    ideals = ideal if isinstance(ideal, list) else [] if ideal is None else [ideal]
    args = row.get("args", {})
    return Sample(
        question=str(turns[-1]["content"]),
        answers=tuple(str(one) for one in ideals),
        extra={
            "kind": kind,
            "turns": turns,
            "text": asked if isinstance(asked, str) else None,
            "ignore_case": bool(args.get("ignore_case")),
            "fields": {
                **{k: v for k, v in said.items() if isinstance(v, str)},
                **(args.get("modelgraded_spec_args") or {}),
            },
        },
    )


def _is_turn(turn: object) -> bool:
    if not isinstance(turn, Mapping) or "content" not in turn:
        return False
    return isinstance(turn.get("role"), str) and isinstance(turn.get("name"), str | None)


# System messages with these names are examples of a conversation, in OpenAI's convention.
ROLES: Mapping[str, Role] = {"example_user": "user", "example_assistant": "assistant"}
PREFIXES = {"system": "", "example_user": "User: ", "example_assistant": "Assistant: "}


def eval_request(asked: Sample, shots: Any, mode: str, chat: bool) -> Request:
    """The sample's own conversation; without chat template the text that OpenAI Evals makes of it."""
    turns, limit = asked.extra["turns"], MAX_TOKENS[asked.extra["kind"]]
    if chat:
        said = tuple(Message(ROLES.get(t.get("name", ""), t["role"]), str(t["content"])) for t in turns)
        return Request(messages=said, max_tokens=limit)
    return Request(messages=(Message("user", as_text(turns)),), max_tokens=limit)


def as_text(turns: list[Mapping[str, Any]]) -> str:
    """A conversation as a completion model reads it: `User: ...` lines, ending in `Assistant: `."""
    if len(turns) == 1:
        return str(turns[0]["content"])
    names = [str(turn.get("name") or turn["role"]) for turn in turns]
    lines = [
        f"{PREFIXES.get(n, n.capitalize() + ': ')}{turn['content']}\n" for n, turn in zip(names, turns, strict=True)
    ]
    return ("".join(lines) + "Assistant: ").lstrip()


def score_eval(asked: Sample, request: Request, response: Response) -> Score:
    """The score of the sample's class."""
    kind, text = asked.extra["kind"], response.text
    if kind == "ModelBasedClassify":
        return unscored(asked, request, response)
    if not text.strip():
        return unparsed_score()
    if kind == "Match":
        return binary_score(any(text.startswith(ideal) for ideal in asked.answers), text)
    if kind == "Includes":
        fold = str.lower if asked.extra["ignore_case"] else str
        return binary_score(any(fold(ideal) in fold(text) for ideal in asked.answers), text)
    if kind == "FuzzyMatch":
        return _fuzzy(asked, text)
    try:
        said = json_value(text)
        return binary_score(any(json_match(said, json_value(ideal)) for ideal in asked.answers), text)
    except (ValueError, RecursionError):
        return unparsed_score()


def _fuzzy(asked: Sample, text: str) -> Score:
    """Either holds the other after SQuAD's normalisation; an empty one only equals an empty one."""
    from dataclasses import replace

    from evalharness.scoring.answers import normalized

    said = normalized(text)
    wanted = [normalized(ideal) for ideal in asked.answers]
    right = any(said == w if not said or not w else said in w or w in said for w in wanted)
    found = binary_score(right, text)
    return replace(found, scores={**found.scores, "f1_score": against(text, asked.answers, both_empty=0.0)["f1"]})


def json_match(said: Any, wanted: Any) -> bool:
    """Equal part by part; what is missing or null never matches."""
    if said is None or wanted is None:
        return False
    if isinstance(said, dict) and isinstance(wanted, dict):
        return all(json_match(said.get(key), wanted.get(key)) for key in said.keys() | wanted.keys())
    if isinstance(said, list) and isinstance(wanted, list):
        return len(said) == len(wanted) and all(json_match(a, b) for a, b in zip(said, wanted, strict=True))
    return bool(said == wanted)
