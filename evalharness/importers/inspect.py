"""Logs of Inspect (https://inspect.aisi.org.uk/eval-logs.html): `.eval` archives, of version 2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.data.files import json_object
from evalharness.data.rows import Row
from evalharness.data.zipped import ZipMembers
from evalharness.errors import DataError
from evalharness.judging.imported import ImportOptions
from evalharness.records import Finish, Message, Request, Response, Result, Sample, Status
from evalharness.runs.imported import ForeignRun, ForeignTask, mean_figures
from evalharness.runs.manifest import SamplingFacts

_WORTH = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partial, incorrect, no answer
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "refused",
}
_ATTACHED = "attachment://"


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """One log. DataError for an archive that is none, and names the sample that cannot be read.

    A log that was stopped is read as far as it goes; a sample that failed is an error here too.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with ZipMembers(path) as archive:
        names = archive.names
        head = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
        if head is None:
            raise DataError(f"{path}: wanted a log of Inspect; it has neither header.json nor _journal/start.json")
        said = json_object(archive.text(head), f"{path}: {head}")
        members = sorted(name for name in names if name.startswith("samples/") and name.endswith(".json"))
        about = _mapping(said.get("eval"))
        task = str(about.get("task") or path.stem)
        results = tuple(
            _result(task, json_object(archive.text(name), f"{path}: {name}"), f"{path}: {name}") for name in members
        )
    model = options.model or str(about.get("model") or "unknown")
    drawn = _mapping(about.get("model_generate_config"))
    planned = None if _mapping(about.get("config")).get("limit") else _mapping(about.get("dataset")).get("samples")
    made = ForeignTask(
        name=task,
        mode="write",
        results=results,
        figures=tuple(mean_figures(results)),
        expected=planned
        if type(planned) is int and planned >= 0 and not _mapping(about.get("config")).get("limit")
        else 0,
    )
    packages = _mapping(about.get("packages"))
    return ForeignRun(
        model=model,
        tasks=(made,),
        created=str(about["created"]) if isinstance(about.get("created"), str) else None,
        sampling=SamplingFacts(
            temperature=_finite(drawn.get("temperature")),
            top_p=_finite(drawn.get("top_p")),
            seed=_whole(drawn.get("seed")),
        ),
        versions={str(name): str(version) for name, version in packages.items()},
        decides=[model, about.get("model_args"), about.get("model_base_url")],
        record={"header": dict(said)},
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _finite(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]  # a number by now


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _result(task: str, row: Row, where: str) -> Result:
    for name in ("id", "input"):
        if name not in row:
            raise DataError(f"{where}: wanted a sample with id, epoch, input and target; there is no {name}")
    epoch = row.get("epoch", 1)
    if type(epoch) is not int or not 1 <= epoch <= 1_000_000:
        raise DataError(f"{where}: its epoch is {epoch!r:.40}, wanted a whole number from 1 on")
    attached = _mapping(row.get("attachments"))
    output = _mapping(row.get("output"))
    turns = _messages(row.get("messages"), attached)
    sample = _sample(row, attached)
    asked = [one for one in turns if one.role != "assistant"] or [Message("user", sample.question)]
    failed = row.get("error")
    response = _response(output, attached, _mapping(failed).get("message") or failed)
    scores, answer = _scores(row.get("scores"))
    return Result(
        benchmark=task,
        sample=sample,
        request=Request(messages=tuple(asked)),
        response=response,
        status=_status(scores, row.get("scores"), response),
        scores={} if response.error else scores,
        answer=answer,
        repeat=epoch - 1,
    )


def _sample(row: Row, attached: Mapping[str, Any]) -> Sample:
    given = row["input"]
    said = [one.content for one in _messages(given, attached) if one.role == "user"] if isinstance(given, list) else []
    question = _text(given, attached) if isinstance(given, str) else "\n\n".join(said)
    listed = row.get("choices")
    choices = tuple(str(one) for one in listed) if isinstance(listed, list) else ()
    target = row.get("target")
    targets = tuple(str(one) for one in (target if isinstance(target, list) else [target]) if one not in (None, ""))
    letters = [ord(one) - ord("A") for one in targets if len(one) == 1]
    right = tuple(place for place in letters if 0 <= place < len(choices)) if len(letters) == len(targets) else ()
    right = right or tuple(choices.index(one) for one in targets if one in choices)
    metadata = _mapping(row.get("metadata"))
    group = metadata.get("group", metadata.get("subject"))
    return Sample(
        id=str(row["id"]),
        question=question,
        answers=() if right else targets,
        choices=choices,
        gold_indices=right,
        group=group if isinstance(group, str) else "",
    )


def _messages(value: object, attached: Mapping[str, Any]) -> list[Message]:
    found = []
    for turn in value if isinstance(value, list) else ():
        role = _mapping(turn).get("role")
        if role in ("system", "user", "assistant", "tool"):
            found.append(Message(role, _content(turn.get("content"), attached)))
    return found


def _content(value: object, attached: Mapping[str, Any]) -> str:
    """A message's text: as it is, of its parts, or from the log's attachments, where long ones are kept."""
    if isinstance(value, list):
        return "".join(_text(part.get("text"), attached) for part in value if _mapping(part).get("type") == "text")
    return _text(value, attached)


def _text(value: object, attached: Mapping[str, Any]) -> str:
    if not isinstance(value, str):
        return ""
    kept = attached.get(value.removeprefix(_ATTACHED)) if value.startswith(_ATTACHED) else None
    return kept if isinstance(kept, str) else value


def _response(output: Mapping[str, Any], attached: Mapping[str, Any], failed: object) -> Response:
    listed = output.get("choices")
    first = _mapping(listed[0]) if isinstance(listed, list) and listed else {}
    text = _content(_mapping(first.get("message")).get("content"), attached) or _text(
        output.get("completion"), attached
    )
    usage = _mapping(output.get("usage"))
    read, wrote = (usage.get(name) for name in ("input_tokens", "output_tokens"))
    failed = failed or output.get("error")
    return Response(
        text=text,
        finish=_FINISHES.get(str(first.get("stop_reason")), ""),
        tokens_in=read if type(read) is int and read >= 0 else 0,
        tokens_out=wrote if type(wrote) is int and wrote >= 0 else 0,
        error=str(failed) if failed else "",
    )


def _scores(value: object) -> tuple[dict[str, float], str | None]:
    """The scores that are numbers or their letters, by scorer, and the answer as the first scorer read it. The
    first from 0 to 1 is the accuracy too."""
    found: dict[str, float] = {}
    answer = None
    for name, one in _mapping(value).items():
        worth = _mapping(one).get("value")
        parts = worth if isinstance(worth, Mapping) else {"": worth}
        for part, said in parts.items():
            known = _worth(said)
            if known is not None:
                found[f"{name}/{part}" if part else str(name)] = known
        read = _mapping(one).get("answer")
        answer = read if answer is None and isinstance(read, str) else answer
    first = next(iter(found), None)
    if first is not None and 0 <= found[first] <= 1 and "accuracy" not in found:
        found = {"accuracy": found[first], **found}
    return found, answer


def _worth(said: object) -> float | None:
    """A score's value as a number; None where it is none, such as a label."""
    if isinstance(said, bool):
        return float(said)
    return _WORTH.get(said) if isinstance(said, str) else _finite(said)


def _status(scores: Mapping[str, float], said: object, response: Response) -> Status:
    if response.error or not scores:
        return "error"
    worth = next(iter(_mapping(said).values()), None)
    if _mapping(worth).get("value") == "N":
        return "unparsed"
    head = next(iter(scores.values()))
    return "correct" if head == 1.0 else "wrong" if head == 0.0 else "scored"
