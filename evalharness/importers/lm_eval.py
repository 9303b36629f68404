"""Runs of lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness): `results_*.json` and samples."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalharness.data.files import parse_json, read_text
from evalharness.data.rows import Row
from evalharness.errors import DataError, UserError
from evalharness.exporters import lm_eval as written
from evalharness.importers._given import as_mapping, graded, is_mean
from evalharness.importers._lm_eval_early import RESULTS, filter_of, filters_in, logged_rows, samples_beside
from evalharness.importers._lm_eval_own import own_sample
from evalharness.judging.imported import ImportOptions
from evalharness.records import IMPOSSIBLE, Message, Request, Response, Result, Sample, Status
from evalharness.runs.imported import ForeignFigure, ForeignRun, ForeignTask, mean_figures
from evalharness.runs.manifest import SamplingFacts

_STAMP = re.compile(r"_(\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl?$")
_LINE_KEYS = frozenset(
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
     "target_hash", "sample_id"}
)  # fmt: skip
_QUESTIONS = ("question", "problem", "query", "instruction", "prompt", "ctx", "input", "sentence")
LoggedLines = list[tuple[str, Row]]  # the place of each line, which messages name


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """A folder of `--output_path` with `--log_samples`, or one of its files: results, or the samples of one task.

    DataError names the file and the line that are not theirs; UserError where the folder holds several runs.
    """
    results_file, samples = _files(path)
    said = _results_in(results_file) if results_file else {}
    tasks = tuple(_task(name, file, said) for name, file in samples.items())
    config = as_mapping(said.get("config"))
    model = options.model or str(said.get("model_name") or config.get("model") or "") or path.resolve().name
    made = said.get("date")
    versions = {name: said.get(f"{name}_version") for name in ("lm_eval", "transformers")}
    first = results_file or next(iter(samples.values()))
    stamp = _STAMP.search(first.name)
    decides = [config.get(key) for key in ("model", "model_args", "model_sha", "model_dtype")]
    return ForeignRun(
        model=model,
        tasks=tasks,
        created=_moment(made) if isinstance(made, int | float) and not isinstance(made, bool) else None,
        sampling=_sampling(tasks),
        versions={name: version for name, version in versions.items() if isinstance(version, str)},
        decides=[model, *decides, said.get("chat_template_sha"), said.get("system_instruction_sha")],
        record={"results": said or None, "stamp": stamp[1] if stamp else None},
    )


def _moment(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None


def _files(path: Path) -> tuple[Path | None, dict[str, Path]]:
    """The results of one run and its samples by task."""
    if path.is_file() and path.name.startswith("samples_"):
        stamp = _STAMP.search(path.name)
        beside = path.with_name(f"results_{stamp[1]}.json") if stamp else None
        return (beside if beside and beside.is_file() else None), {_task_of(path): path}
    if path.is_file():
        found = [path]
    elif path.is_dir():
        named = ("results_*.json", "*/results_*.json", RESULTS, f"*/{RESULTS}")
        found = next(filter(None, (sorted(path.glob(name)) for name in named)), [])
        if len(found) > 1:
            raise UserError(f"{path}: holds {len(found)} runs ({found[0].name}, {found[1].name}, ...); name one file")
    else:
        raise UserError(f"{path}: there is no such file or folder")
    folder = found[0].parent if found else path
    logs = sorted(folder.glob("samples_*.jsonl"))
    stamp = _STAMP.search(found[0].name) if found else None
    if stamp:
        logs = [log for log in logs if log.name.endswith(f"_{stamp[1]}.jsonl")]
    if not logs and found and (undated := samples_beside(folder, _results_in(found[0]))):
        return found[0], undated
    if not logs:
        there = f"beside {found[0].name} there are no samples_*.jsonl" if found else "there is no results_*.json in it"
        raise DataError(f"{path}: {there}; run lm_eval with --log_samples, its figures alone are no answers")
    samples: dict[str, Path] = {}
    for log in logs:
        if samples.setdefault(_task_of(log), log) != log:
            raise UserError(f"{path}: {samples[_task_of(log)].name} and {log.name} are of two runs; name one file")
    return (found[0] if found else None), samples


def _task_of(log: Path) -> str:
    return _STAMP.sub("", log.name).removesuffix(".jsonl").removeprefix("samples_") or log.stem


def _task(name: str, file: Path, said: Mapping[str, Any]) -> ForeignTask:
    lines: dict[str, LoggedLines] = {}
    for where, row in logged_rows(file):
        if "doc_id" not in row or "resps" not in row:
            raise DataError(
                f"{where}: wanted a line of lm-evaluation-harness with doc_id and resps; there is {', '.join(row)}"
            )
        lines.setdefault(str(row["doc_id"]), []).append((where, row))
    config = as_mapping(as_mapping(said.get("configs")).get(name))
    theirs = as_mapping(as_mapping(said.get("results")).get(name))
    items = [LoggedItem.read(name, group, filters_in(theirs)) for group in lines.values()]
    items = _by_text(items) if _contradicted(items, by_text=False) > _contradicted(items, by_text=True) else items
    results = tuple(item.result() for item in items)
    ranked = any(result.response.logprobs for result in results)
    figures = _figures(results, theirs, ranked, said, name)
    planned = as_mapping(as_mapping(said.get("n-samples")).get(name)).get("effective")
    shots = as_mapping(said.get("n-shot")).get(name, config.get("num_fewshot"))
    seed = as_mapping(said.get("config")).get("random_seed")
    return ForeignTask(
        name=name,
        mode="rank" if ranked else "write",
        results=results,
        figures=tuple(figures),
        expected=planned if type(planned) is int and planned >= 0 else 0,
        shots=shots if type(shots) is int and shots >= 0 else None,
        seed=seed if type(seed) is int else None,
    )


@dataclass(frozen=True, kw_only=True)
class LoggedItem:
    """One question: the lines that its filters left, the first of which says all that is common to them."""

    task: str
    lines: Mapping[str, Row]
    request: Request
    response: Response
    gold_by_text: bool = False

    @classmethod
    def read(cls, task: str, group: LoggedLines, filters: Sequence[str] = ()) -> LoggedItem:
        """The lines of one question; `filters` are the task's in order, for lines that do not name theirs. DataError
        names the line that cannot be read."""
        where, first = group[0]
        lines: dict[str, Row] = {}
        for place, row in group:
            used = filter_of(row, len(lines), filters, written.UNFILTERED)
            if used in lines:
                raise DataError(f"{place}: doc_id {row['doc_id']!r:.40} has the filter {used!r:.40} twice")
            lines[used] = row
        return cls(task=task, lines=lines, request=_request(first, where), response=_response(first, where))

    @property
    def first(self) -> Row:
        return next(iter(self.lines.values()))

    @property
    def ranked(self) -> bool:
        return bool(self.response.logprobs)

    def choices(self) -> tuple[str, ...]:
        """The choices as the document lists them, where it does; else the continuations."""
        if not self.ranked:
            return ()
        given = tuple(choice.strip() for choice in self.request.choices)
        doc = as_mapping(self.first.get("doc"))
        listed = doc.get("choices", doc.get("options"))
        listed = listed.get("text") if isinstance(listed, Mapping) else listed
        if isinstance(listed, list) and len(listed) == len(given) and all(isinstance(one, str) for one in listed):
            return tuple(listed)
        return given

    def gold(self) -> tuple[int, ...]:
        """The positions of the right choices: their `target` is a position, a list of them, or the choice's text."""
        target, choices = str(self.first.get("target", "")).strip(), self.choices()
        texts = tuple(i for i, one in enumerate(choices) if one.strip() == target)
        if self.gold_by_text and texts:
            return texts
        numbers = re.fullmatch(r"\[?\s*(\d{1,6}(?:\s*,\s*\d{1,6})*)\s*\]?", target)
        places = tuple(int(one) for one in numbers[1].split(",")) if numbers else ()
        return places if places and max(places) < len(choices) else texts

    @property
    def chosen(self) -> int:
        return max(range(len(self.response.logprobs)), key=self.response.logprobs.__getitem__)

    def result(self) -> Result:
        scores, ranked = self.scores(), self.ranked
        head = next(iter(scores.values()), None)
        choices = self.choices()
        doc = self.first.get("doc")
        target = self.first.get("target")
        gold = self.gold()
        sample = own_sample(doc) or Sample(
            id=str(self.first["doc_id"]),
            question=_question(doc) or self.request.text,
            answers=() if gold or target is None else (str(target),),
            choices=choices,
            gold_indices=gold,
            extra={} if doc is None else {"doc": doc},
        )
        answer = (choices[self.chosen] if self.chosen < len(choices) else None) if ranked else self._read()
        plain = Result(
            benchmark=self.task,
            sample=sample,
            request=self.request,
            response=self.response,
            status=_status(head, answer),
            scores=scores,
            answer=None if answer == written.INVALID else answer,
        )
        bare = replace(plain, detail={written.KEPT_LINES: {name: {} for name in self.lines}})
        left = {name: self._besides(bare, name, row) for name, row in self.lines.items()}
        return replace(plain, detail={written.KEPT_LINES: left})

    def _read(self) -> str | None:
        """The answer as the first filter read it."""
        found = self.first.get("filtered_resps")
        found = found[0] if isinstance(found, list) and found else found
        found = found[0] if isinstance(found, list) and found else found
        return found if isinstance(found, str) else None

    def _besides(self, result: Result, name: str, row: Row) -> dict[str, Any]:
        """What a line says that the result does not say already."""
        made = written.sample_line([result], name, 0, self.ranked)
        return {key: value for key, value in row.items() if key not in made or made[key] != value}

    def scores(self) -> dict[str, float]:
        """All figures of the lines: those of the first filter under our plain names, the others with the filter's."""
        found: dict[str, float] = {}
        for position, (used, row) in enumerate(self.lines.items()):
            names = row.get("metrics")
            for key in names if isinstance(names, list) else [key for key in row if key not in _LINE_KEYS]:
                if (value := graded(row.get(key))) is not None:
                    found[_our_name(str(key), self.ranked) + (f",{used}" if position else "")] = value
        return found


def _our_name(metric: str, ranked: bool) -> str:
    known = {"acc": "accuracy", "acc_norm": "accuracy_norm"} if ranked else {"exact_match": "accuracy"}
    return known.get(metric, metric)


def _status(head: float | None, answer: str | None) -> Status:
    if head == 1.0:
        return "correct"
    if head == 0.0:
        return "unparsed" if answer == written.INVALID else "wrong"
    return "scored"


def _contradicted(items: Sequence[LoggedItem], by_text: bool) -> int:
    """How many ranked items' `acc` says otherwise than the likeliest choice and the right one."""
    found = 0
    for item in _by_text(items) if by_text else items:
        acc = item.scores().get("accuracy") if item.ranked else None
        if acc is not None and (gold := item.gold()):
            found += (item.chosen in gold) != (acc == 1.0)
    return found


def _by_text(items: Sequence[LoggedItem]) -> list[LoggedItem]:
    return [replace(item, gold_by_text=True) for item in items]


def _question(doc: object) -> str:
    """The question's own text, where the document has it under a name that is known."""
    found = as_mapping(doc)
    return next((found[name] for name in _QUESTIONS if isinstance(found.get(name), str) and found[name].strip()), "")


def _asked(row: Row, where: str) -> list[tuple[str, Any]]:
    """(context, continuation or settings) of each request; earlier versions have lists in place of objects."""
    arguments = row.get("arguments")
    parts = list(arguments.values()) if isinstance(arguments, Mapping) else arguments
    if not isinstance(parts, list):
        raise DataError(f"{where}: its arguments are {arguments!r:.60}, wanted an object of contexts and continuations")
    found = []
    for part in parts:
        pair = list(part.values()) if isinstance(part, Mapping) else part
        if not isinstance(pair, list) or not pair or not isinstance(pair[0], str):
            raise DataError(f"{where}: wanted a context and a continuation among its arguments, there is {part!r:.60}")
        found.append((pair[0], pair[1] if len(pair) > 1 else None))
    return found


def _common_start(texts: Sequence[str]) -> str:
    shortest = min(texts, key=len, default="")
    places = (i for i, c in enumerate(shortest) if any(text[i] != c for text in texts))
    return shortest[: next(places, len(shortest))]


def _request(row: Row, where: str) -> Request:
    asked = _asked(row, where)
    texts = [context for context, _ in asked]
    common = _common_start(texts)
    choices = tuple(after for _, after in asked if isinstance(after, str))
    settings = as_mapping(asked[0][1]) if asked else {}
    given = tuple(text[len(common) :] for text in texts) if len(set(texts)) > 1 and choices else ()
    until, limit, warmth = (settings.get(key) for key in ("until", "max_gen_toks", "temperature"))
    return Request(
        messages=(Message("user", common),),
        choices=choices,
        context_per_choice=given,
        max_tokens=limit if type(limit) is int and limit > 0 else 256,
        stop=tuple(one for one in ([until] if isinstance(until, str) else until or ()) if isinstance(one, str)),
        temperature=float(warmth) if isinstance(warmth, int | float) and settings.get("do_sample") else 0.0,
    )


def _response(row: Row, where: str) -> Response:
    """The first answer, or the log-probabilities, which stand there as texts."""
    found = row["resps"]
    if not isinstance(found, list) or not found:
        raise DataError(f"{where}: its resps are {found!r:.60}, wanted a list")
    firsts = [one[0] if isinstance(one, list) and one else one for one in found]
    if isinstance(firsts[0], str) and not _is_rolling(row, firsts[0]):
        return Response(text=firsts[0], finish="stop")
    pairs = [one if isinstance(one, list) else [one, "False"] for one in firsts]
    try:
        logprobs = tuple(max(float(pair[0]), IMPOSSIBLE) for pair in pairs)
    except (TypeError, ValueError, IndexError) as error:
        raise DataError(f"{where}: wanted texts or log-probabilities in resps, there is {found!r:.60}") from error
    if any(math.isnan(one) or one == math.inf for one in logprobs):
        raise DataError(f"{where}: its log-probabilities are {found!r:.60}, wanted numbers")
    return Response(logprobs=logprobs, greedy=tuple(len(p) > 1 and str(p[1]) == "True" for p in pairs))


def _is_rolling(row: Row, said: str) -> bool:
    """Whether a text in `resps` is the log-probability of a whole document, which has no continuation."""
    arguments = row.get("arguments")
    parts = list(arguments.values()) if isinstance(arguments, Mapping) else arguments
    alone = isinstance(parts, list) and all(len(part) == 1 for part in parts)
    return alone and re.fullmatch(r"-?(\d+(\.\d+)?(e[+-]?\d+)?|inf)", said) is not None


def _figures(
    results: Sequence[Result], theirs: Mapping[str, Any], ranked: bool, said: Mapping[str, Any], task: str
) -> Iterator[ForeignFigure]:
    """A task's figures: means of its answers' scores where those are what was published, else what was published."""
    better = as_mapping(as_mapping(said.get("higher_is_better")).get(task))
    lower = {key for key, value in better.items() if value is False}
    published = {}
    for key, value in theirs.items():
        metric, comma, used = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
            published[metric, used] = float(value)
    order = list(dict.fromkeys(used for result in results for used in written.filters_of(result)))
    of_ours = {one.name: one for one in mean_figures(results)}
    for (metric, used), value in published.items():
        if used not in order:
            continue
        name = _our_name(metric, ranked) + (f",{used}" if used != order[0] else "")
        stderr = theirs.get(f"{metric}_stderr,{used}")
        own = of_ours.pop(name, None)
        better_up = metric not in lower
        if own is not None and is_mean(results, name, value):
            yield replace(own, higher_is_better=better_up)
        else:
            yield ForeignFigure(
                name=name if own is None else f"{name} (theirs)", value=value, n=len(results),
                stderr=float(stderr) if isinstance(stderr, int | float) else None, higher_is_better=better_up,
            )  # fmt: skip
    if not published:
        yield from of_ours.values()


def _sampling(tasks: Sequence[ForeignTask]) -> SamplingFacts:
    warmths = {result.request.temperature for task in tasks for result in task.results}
    seeds = {task.seed for task in tasks}
    return SamplingFacts(
        temperature=warmths.pop() if len(warmths) == 1 else None,
        top_p=1.0,
        seed=seeds.pop() if len(seeds) == 1 else None,
    )


def _results_in(file: Path) -> Mapping[str, Any]:
    found = parse_json(read_text(file), file)
    if not isinstance(found, Mapping) or "results" not in found:
        raise DataError(f"{file}: wanted the results of lm-evaluation-harness, an object with `results`")
    return found
