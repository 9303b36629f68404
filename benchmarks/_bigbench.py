"""BIG-bench's JSON tasks: their files, prompts, scores and normalised aggregate
(https://github.com/google/BIG-bench/blob/main/docs/doc.md).

A row is one example with its task's settings under `task`. Tasks leave out what has a default; the defaults stand here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from math import fsum
from pathlib import Path
from typing import Any

from evalharness.building_blocks.multiple_choice import shuffled
from evalharness.data.files import jsonl, parse_json, read_text
from evalharness.data.rows import Files, Row
from evalharness.data.sources import build_samples
from evalharness.errors import DataError, nearest, option_name
from evalharness.records import Estimate, Mode, Request, Response, Result, Sample, Score
from evalharness.scoring.answers import LETTERS, best, choice, read_as, same_text
from evalharness.scoring.metrics import Metric, average, mean, mean_where, per_item
from evalharness.stats.intervals import in_range, mean_of_estimates

BUNDLED = Path(__file__).with_name("bigbench.jsonl")
SETTINGS = {
    "task_prefix": "",
    "example_input_prefix": "\nQ: ",
    "example_output_prefix": "\nA: ",
    "choice_prefix": "\n  choice: ",
    "append_choices_to_input": True,
    "few_shot_example_separator": "\n",
    "output_regex": None,
    "stop_string": None,
    "preferred_score": None,
    "metrics": (),
    "description": "",
    "keywords": (),
}
# Keywords of tasks whose right answer depends on how the question is spelled: --holistic must not change it.
FORM = ("computer code", "algorithms", "grammar", "syntax", "morphology", "phonology", "tokenization", "non-language")
ENDS = r"[^\.\?\!\;\n]+"  # what is read of an answer where a task says neither regular expression nor stop string
MEANS = ("multiple_choice_grade", "exact_str_match", "rouge1", "rouge2", "rougeLsum")
KNOWN = {"multiple_choice_grade", "exact_str_match", "bleu", "rouge"}


def paths(task: str, data: Path) -> list[Path]:
    """The task.json files of a task: one, or one per subtask. Empty where the data has none."""
    if data.is_file():
        return [data]
    here = data.name == task.rsplit("/", 1)[-1]
    folders = [data / "bigbench" / "benchmark_tasks" / task, data / task, *([data] if here else [])]
    for folder in folders:
        if (folder / "task.json").is_file():
            return [folder / "task.json"]
        if found := sorted(folder.glob("*/task.json")):
            return found
    return [data / "task.json"] if (data / "task.json").is_file() else []


def discover(data: Path) -> tuple[str, ...]:
    """The names of the tasks under a folder, or of the one that it or the file holds."""
    if data.is_file() or (data / "task.json").is_file():
        return (data.parent.name if data.is_file() else data.resolve().name,)
    root = data / "bigbench" / "benchmark_tasks" if (data / "bigbench" / "benchmark_tasks").is_dir() else data
    return tuple(sorted({p.relative_to(root).parts[0] for g in ("*/task.json", "*/*/task.json") for p in root.glob(g)}))


@lru_cache(maxsize=256)
def rows(file: Path, group: str) -> tuple[Row, ...]:
    """The examples of a task.json, in its order. DataError names what the file lacks."""
    task = parse_json(read_text(file), file)
    if not isinstance(task, dict) or not isinstance(task.get("examples"), list):
        raise DataError(f"{file}: wanted a BIG-bench task with a list `examples`")
    settings = {name: default if task.get(name) is None else task[name] for name, default in SETTINGS.items()}
    _check(settings, file)
    return tuple({"example": example, "task": settings, "group": group} for example in task["examples"])


def _check(settings: Mapping[str, Any], file: Path) -> None:
    """DataError for metrics that are not known, and for settings that are no text or no regular expression."""
    metrics = settings["metrics"]
    if not isinstance(metrics, list | tuple) or not KNOWN & set(map(str, metrics)):
        raise DataError(f"{file}: wanted one of the metrics {', '.join(sorted(KNOWN))}; there is {metrics!r:.100}")
    if not isinstance(settings["keywords"], list | tuple):
        raise DataError(f"{file}: keywords wants a list, there is {settings['keywords']!r:.100}")
    for name, default in SETTINGS.items():
        if isinstance(default, str | None) and not isinstance(settings[name], str | None):
            raise DataError(f"{file}: {name} wants a text, there is {settings[name]!r:.100}")
    try:
        re.compile(settings["output_regex"] or "")
    except re.error as error:
        raise DataError(f"{file}: output_regex is not a valid regular expression ({error})") from error


def examples(task: str, data: Path) -> list[Row] | None:
    """The task's examples wherever `paths` finds them; subtasks become groups."""
    found = paths(task, data)
    return [row for f in found for row in rows(f, f.parent.name if len(found) > 1 else "")] if found else None


def files(task: str) -> Files:
    return Files(f"{task}/task.json of BIG-bench (bigbench/benchmark_tasks)", lambda path, want: examples(task, path))


@dataclass(frozen=True)
class Facts:
    """What only the data tells of a task."""

    title: str
    items: int
    chance: float | None
    modes: tuple[Mode, ...]
    stop: tuple[str, ...]
    between: str
    about_form: str = ""


def facts(task: str, data: Path | None) -> Facts:
    """The facts of a task; without data those of a bundled one, or of any task whose answers are scored again."""
    if data is None:
        found = [row for row in jsonl(BUNDLED) if row["config"] == task]
        if not found:
            return Facts(task, 0, None, ("rank", "write"), ("\n",), "\n")
    else:
        found = examples(task, data) or []
        if not found:
            raise DataError(
                f"{option_name('data', data)}: wanted {task}/task.json with examples{nearest(task, discover(data))}"
            )
    settings, asked = {**SETTINGS, **found[0]["task"]}, build_samples(found, sample)
    ranks = all(s.choices and _chooses(s) for s in asked)
    modes: tuple[Mode, ...] = ("rank", "write") if ranks else ("write",)
    chance = fsum(s.extra["chance"] for s in asked) / len(asked)
    stop = settings["stop_string"] or "\n"
    about_form = next((word for word in FORM if word in settings["keywords"]), "")
    title, between = settings["description"] or task, settings["few_shot_example_separator"]
    return Facts(title, len(asked), chance, modes, (stop,), between, about_form)


def _chooses(asked: Sample) -> bool:
    """Whether the task prefers the grade of a choice; any other score is of a text that is written freely."""
    return bool(asked.extra["preferred"] == "multiple_choice_grade")


def sample(row: Row) -> Sample:
    """An example. `extra.scores` has one number per choice; `target` may be a text or a list of texts."""
    task, example = {**SETTINGS, **row["task"]}, row["example"]
    if not isinstance(example, dict) or not isinstance(example.get("target_scores") or {}, dict):
        raise ValueError("an example is an object, and its target_scores are one")
    target, scored = example.get("target"), example.get("target_scores")
    if target is None and not scored:
        raise ValueError("an example has neither target nor target_scores")
    answers = tuple(map(str, target)) if isinstance(target, list) else (str(target),) if target is not None else ()
    made = Sample(question=str(example["input"]), answers=answers, group=row.get("group", ""))
    grades: tuple[float, ...] = ()
    if scored:
        top = max(scored.values())
        gold = tuple(i for i, value in enumerate(scored.values()) if value == top)
        made = shuffled(
            Sample(
                question=made.question,
                answers=answers or tuple(c for c in scored if scored[c] == top),
                choices=tuple(scored),
                gold_indices=gold,
                group=made.group,
            )
        )
        grades = tuple(float(scored[c]) for c in made.choices)
    preferred = task["preferred_score"] or task["metrics"][0]
    extra = {
        "grades": list(grades),
        "chance": fsum(grades) / len(grades) if grades and preferred == "multiple_choice_grade" else 0.0,
        "preferred": preferred,
        **{name: task[name] for name in SETTINGS if name not in ("description", "preferred_score")},
    }
    return Sample(
        question=made.question,
        answers=made.answers,
        choices=made.choices,
        gold_indices=made.gold_indices,
        group=made.group,
        extra=extra,
    )


def prefix(asked: Sample) -> str:
    return str(asked.extra["task_prefix"])


def question(asked: Sample) -> str:
    """Prefix, input, the choices where the task wants them shown, and the prefix of the output."""
    extra = asked.extra
    options = "".join(extra["choice_prefix"] + c for c in asked.choices) if extra["append_choices_to_input"] else ""
    return f"{extra['example_input_prefix']}{asked.question}{options}{extra['example_output_prefix']}"


def answer(asked: Sample) -> str:
    return asked.choices[asked.gold_indices[0]] if asked.choices and _chooses(asked) else asked.answers[0]


def others(found: Sequence[Sample], asked: Sample, shots: int) -> Sequence[Sample]:
    """Examples are other questions of the task, in an order that hangs on the question asked."""
    return sorted(found, key=lambda s: sha256(f"{asked.id}\0{s.id}".encode("utf-8", "surrogatepass")).digest())


def read(text: str, extra: Mapping[str, Any]) -> list[str]:
    """The answers that a text may be read as: cut after the stop string and matched by the expression, as BIG-bench
    does. Where a task says neither, its first line as it is counts beside BIG-bench's cut at the first full stop, which
    no target that is a whole sentence could ever meet."""
    stop, expression = extra["stop_string"], extra["output_regex"]
    if stop and (cut := text.find(stop)) > 0:
        text = text[:cut]
    if not stop and not expression:
        line = (text.strip().splitlines() or [""])[0]
        return [line.strip(), *(match.strip() for match in re.findall(ENDS, line)[:1])]
    if not expression:
        return [text.strip()]
    match = re.search(expression, text)
    return [(match.group(1) if match.groups() else match.group()).strip()] if match else []


def score(asked: Sample, request: Request, response: Response) -> Score:
    """The task's own scores of one answer; `preferred_score` repeats the one that the task prefers."""
    if request.choices or (asked.choices and _chooses(asked)):
        return _grade(asked, request, response)
    metrics, said = asked.extra["metrics"], read(response.text, asked.extra)
    scores = {"exact_str_match": float(any(s == target.strip() for s in said for target in asked.answers))}
    text = said[0] if said else ""
    if "rouge" in metrics:
        scores |= rouge(text, asked.answers)
    if "bleu" in metrics:
        scores["bleu"] = sentence_bleu(text, asked.answers)
    preferred = {"rouge": "rouge1"}.get(asked.extra["preferred"], asked.extra["preferred"])
    scores["preferred_score"] = scores.get(preferred, scores["exact_str_match"])
    if preferred == "exact_str_match":
        return (
            read_as({"exact_match": scores["exact_str_match"]} | scores, text)
            if text
            else Score(status="unparsed", scores=scores)
        )
    return Score(status="scored" if text else "unparsed", scores=scores, answer=text)


def _grade(asked: Sample, request: Request, response: Response) -> Score:
    """The grade of the choice ranked first, or of the one whose letter or text was written."""
    grades = asked.extra["grades"]
    if request.choices:
        picked = best(response.logprobs)
    else:
        found = same_text(response.text, asked.choices)
        named = choice(asked, request, response)
        if found is None and named.answer is None:
            return Score(status=named.status, scores={"multiple_choice_grade": 0.0, "preferred_score": 0.0})
        names = LETTERS if len(asked.choices) <= len(LETTERS) else asked.choices
        picked = names.index(str(named.answer)) if found is None else found
    grade = grades[picked]
    right = grade == max(grades)
    return Score(
        status="correct" if right else "wrong",
        scores={"multiple_choice_grade": grade, "preferred_score": grade},
        answer=asked.choices[picked],
    )


def rouge(text: str, targets: Sequence[str]) -> dict[str, float]:
    """ROUGE-1, -2 and -Lsum F-measures, each with the best of the targets."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeLsum"])
    found = [scorer.score(target, text) for target in targets]
    return {name: max(f[name].fmeasure for f in found) for name in ("rouge1", "rouge2", "rougeLsum")}


def sentence_bleu(text: str, targets: Sequence[str]) -> float:
    """BLEU of one answer, from 0 to 1: for looking at answers; the task's figure is over all of them."""
    import sacrebleu

    return min(1.0, float(sacrebleu.sentence_bleu(text, list(targets)).score) / 100)


def bleu() -> Metric:
    """Corpus BLEU (sacrebleu) over all answers of a task, from 0 to 1, with its bootstrap interval."""

    def of(results: Sequence[Result]) -> Estimate | None:
        scored = [r for r in results if "bleu" in r.scores]
        if not scored:
            return None
        from sacrebleu.metrics.bleu import BLEU

        width = max(len(r.sample.answers) for r in scored)
        columns = [[r.sample.answers[min(i, len(r.sample.answers) - 1)] for r in scored] for i in range(width)]
        found = BLEU(tokenize="intl").corpus_score([r.answer or "" for r in scored], columns, n_bootstrap=200)
        value, half = found.score / 100, float(found._ci) / 100
        drawn = Estimate(value=value, stderr=half / 1.96, low=value - half, high=value + half, n=len(scored))
        return in_range(drawn, 0.0, 1.0)

    return Metric(name="bleu", of=of)


def normalized() -> Metric:
    """The preferred score on BIG-bench's common scale: 0 is guessing, 100 is perfect."""

    def of(results: Sequence[Result]) -> Estimate | None:
        known = average(per_item(results, "preferred_score"))
        if known is None:
            return None
        low = fsum(r.sample.extra["chance"] for r in results) / len(results)
        scale = 100 / (1 - low)
        return Estimate(
            value=(known.value - low) * scale,
            stderr=known.stderr * scale,
            low=(known.low - low) * scale,
            high=(known.high - low) * scale,
            n=known.n,
        )

    return Metric(name="normalized", of=of)


def aggregate(tasks: Mapping[str, Mapping[str, Estimate]]) -> Mapping[str, Estimate]:
    """BIG-bench's normalised aggregate: the mean over tasks of their normalised preferred scores."""
    found = [figures["normalized"] for figures in tasks.values() if "normalized" in figures]
    if not found:
        return {}
    return {"normalized_aggregate": replace(mean_of_estimates(found), n=len(found))}


METRICS = (mean("preferred_score"), normalized(), *map(mean_where, MEANS), bleu())
