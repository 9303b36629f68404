"""Logs of Inspect (https://inspect.aisi.org.uk/eval-logs.html): `.eval` archives, and logs in one JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalharness.data.files import json_object, read_text
from evalharness.data.rows import Row
from evalharness.data.zipped import ZipMembers
from evalharness.errors import DataError
from evalharness.importers._given import as_mapping, finite, graded, token_count, whole, with_accuracy
from evalharness.judging.imported import ImportOptions
from evalharness.records import STATUSES, Finish, Message, Request, Response, Result, Sample, Status
from evalharness.runs.imported import ForeignRun, ForeignTask, mean_figures
from evalharness.runs.manifest import SamplingFacts

_WORTH = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partial, incorrect, no answer
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "refused",
}
_ATTACHED = "attachment://"


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """One log. DataError for a file that is none, and names the sample that cannot be read.

    A log that was stopped is read as far as it goes; a sample that failed is an error here too.
    """
    said, samples = _json_log(path) if path.suffix == ".json" else _archive(path)
    about = as_mapping(said.get("eval"))
    task = str(about.get("task") or path.stem)
    packages = as_mapping(about.get("packages"))
    results = tuple(_result(task, row, where) for where, row in samples)
    if "evalharness" in packages:  # we wrote it: Inspect has fewer words for what became of an answer
        results = tuple(map(_as_said, results, (as_mapping(row.get("metadata")) for _, row in samples)))
    model = options.model or str(about.get("model") or "unknown")
    drawn = as_mapping(about.get("model_generate_config"))
    planned = None if as_mapping(about.get("config")).get("limit") else as_mapping(about.get("dataset")).get("samples")
    made = ForeignTask(
        name=task,
        mode="write",
        results=results,
        figures=tuple(mean_figures(results)),
        expected=planned
        if type(planned) is int and planned >= 0 and not as_mapping(about.get("config")).get("limit")
        else 0,
    )
    return ForeignRun(
        model=model,
        tasks=(made,),
        created=str(about["created"]) if isinstance(about.get("created"), str) else None,
        sampling=SamplingFacts(
            temperature=finite(drawn.get("temperature")),
            top_p=finite(drawn.get("top_p")),
            seed=whole(drawn.get("seed")),
        ),
        versions={str(name): str(version) for name, version in packages.items()},
        decides=[model, about.get("model_args"), about.get("model_base_url")],
        record={"header": dict(said)},
    )


def _archive(path: Path) -> tuple[Row, list[tuple[str, Row]]]:
    """What an archive says of the run, and its samples with their places."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with ZipMembers(path) as archive:
        names = archive.names
        head = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
        if head is None:
            raise DataError(f"{path}: wanted a log of Inspect; it has neither header.json nor _journal/start.json")
        said = json_object(archive.text(head), f"{path}: {head}")
        members = sorted(name for name in names if name.startswith("samples/") and name.endswith(".json"))
        return said, [(f"{path}: {name}", json_object(archive.text(name), f"{path}: {name}")) for name in members]


def _json_log(path: Path) -> tuple[Row, list[tuple[str, Row]]]:
    """The same of a log in one JSON file, as `--log-format json` writes it."""
    said = json_object(read_text(path), str(path))
    samples = said.get("samples")
    if not isinstance(said.get("eval"), Mapping) or not isinstance(samples, list):
        raise DataError(f"{path}: wanted a log of Inspect, an object with eval and samples; there is {', '.join(said)}")
    head = {name: value for name, value in said.items() if name != "samples"}
    return head, [(f"{path}: sample {number}", as_mapping(row)) for number, row in enumerate(samples, 1)]


def _result(task: str, row: Row, where: str) -> Result:
    for name in ("id", "input"):
        if name not in row:
            raise DataError(f"{where}: wanted a sample with id, epoch, input and target; there is no {name}")
    epoch = row.get("epoch", 1)
    if type(epoch) is not int or not 1 <= epoch <= 1_000_000:
        raise DataError(f"{where}: its epoch is {epoch!r:.40}, wanted a whole number from 1 on")
    attached = as_mapping(row.get("attachments"))
    output = as_mapping(row.get("output"))
    turns = _messages(row.get("messages"), attached)
    sample = _sample(row, attached)
    asked = [one for one in turns if one.role != "assistant"] or [Message("user", sample.question)]
    failed = row.get("error")
    response = _response(output, attached, as_mapping(failed).get("message") or failed)
    given = row.get("scores", {"score": row.get("score")})  # one and its name, in logs of version 1
    scores, answer = _scores(given)
    if not scores and not response.error:
        response = replace(response, error="the log has no score of it; `inspect score` gives it one")
    return Result(
        benchmark=task,
        sample=sample,
        request=Request(messages=tuple(asked)),
        response=response,
        status=_status(scores, given, response),
        scores={} if response.error else scores,
        answer=answer,
        repeat=epoch - 1,
    )


def _as_said(result: Result, metadata: Mapping[str, Any]) -> Result:
    """A result with the status that an export of ours kept."""
    status = next((one for one in STATUSES if one == metadata.get("status")), result.status)
    return result if result.status == "error" else replace(result, status=status)


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
    metadata = as_mapping(row.get("metadata"))
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
        role = as_mapping(turn).get("role")
        if role in ("system", "user", "assistant", "tool"):
            found.append(Message(role, _content(turn.get("content"), attached)))
    return found


def _content(value: object, attached: Mapping[str, Any]) -> str:
    """A message's text: as it is, of its parts, or from the log's attachments, where long ones are kept."""
    if isinstance(value, list):
        return "".join(_text(part.get("text"), attached) for part in value if as_mapping(part).get("type") == "text")
    return _text(value, attached)


def _text(value: object, attached: Mapping[str, Any]) -> str:
    if not isinstance(value, str):
        return ""
    kept = attached.get(value.removeprefix(_ATTACHED)) if value.startswith(_ATTACHED) else None
    return kept if isinstance(kept, str) else value


def _response(output: Mapping[str, Any], attached: Mapping[str, Any], failed: object) -> Response:
    listed = output.get("choices")
    first = as_mapping(listed[0]) if isinstance(listed, list) and listed else {}
    text = _content(as_mapping(first.get("message")).get("content"), attached) or _text(
        output.get("completion"), attached
    )
    taken = as_mapping(output.get("usage"))
    failed = failed or output.get("error")
    return Response(
        text=text,
        finish=_FINISHES.get(str(first.get("stop_reason")), ""),
        tokens_in=token_count(taken.get("input_tokens")),
        tokens_out=token_count(taken.get("output_tokens")),
        error=str(failed) if failed else "",
    )


def _scores(value: object) -> tuple[dict[str, float], str | None]:
    """The scores that are numbers or their letters, by scorer, and the answer as the first scorer read it. The
    first from 0 to 1 is the accuracy too."""
    found: dict[str, float] = {}
    answer = None
    for name, one in as_mapping(value).items():
        worth = as_mapping(one).get("value")
        parts = worth if isinstance(worth, Mapping) else {"": worth}
        for part, said in parts.items():
            known = _worth(said)
            if known is not None:
                found[f"{name}/{part}" if part else str(name)] = known
        read = as_mapping(one).get("answer")
        answer = read if answer is None and isinstance(read, str) else answer
    return with_accuracy(found), answer


def _worth(said: object) -> float | None:
    """A score's value as a number; None where it is none, such as a label."""
    if not isinstance(said, str):
        return graded(said)
    if (known := _WORTH.get(said, _WORDS.get(said.lower()))) is not None:
        return known
    try:
        return finite(float(said))
    except ValueError:
        return None


def _status(scores: Mapping[str, float], said: object, response: Response) -> Status:
    if response.error or not scores:
        return "error"
    worth = next(iter(as_mapping(said).values()), None)
    if as_mapping(worth).get("value") == "N":
        return "unparsed"
    head = next(iter(scores.values()))
    return "correct" if head == 1.0 else "wrong" if head == 0.0 else "scored"
