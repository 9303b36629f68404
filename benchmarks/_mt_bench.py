"""MT-bench's files as published, its second turn, and its grades of 1 to 10 (lm-sys/FastChat, fastchat/llm_judge)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from evalharness.data.files import jsonl
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Estimate, Message, Mode, Request, Response, Result, Sample
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.judgments import on_scale, scores_of
from evalharness.scoring.metrics import Metric, average

GRADES = (1.0, 10.0)
# The judge is shown a reference here; elsewhere there is no right answer to compare with.
GUIDED = frozenset({"math", "reasoning", "coding"})


def _rows(path: Path, want: Want) -> Iterator[Row] | None:
    """`question.jsonl` of the original release, with `reference_answer/gpt-4.jsonl` beside it."""
    if path.is_file():
        questions: Path | None = path
    else:
        named = [f / "question.jsonl" for f in (path, path / "mt_bench", path / "data" / "mt_bench")]
        questions = next((file for file in named if file.is_file()), None)
    if questions is None or questions.suffix != ".jsonl":
        return None
    references = questions.parent / "reference_answer" / "gpt-4.jsonl"
    known: Mapping[str, list[str]] = {}
    if references.is_file():
        known = {str(r["question_id"]): r["choices"][0]["turns"] for r in jsonl(references)}
    return ({**row, "reference": known.get(str(row["question_id"]), [])} for row in jsonl(questions))


FILES = Files("question.jsonl and reference_answer/gpt-4.jsonl of the original release", _rows)


def sample(row: Row) -> Sample:
    turns = list(row["turns"] if "turns" in row else row["prompt"])
    category = row["category"]
    references = [str(r) for r in row.get("reference") or ()] if category in GUIDED else []
    extra = {"turns": turns} | ({"references": references} if references else {})
    identity = row["question_id"] if "question_id" in row else row["prompt_id"]
    return Sample(id=str(identity), question=turns[0], group=category, extra=extra)


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    return Request(messages=(Message("user", asked.question),), max_tokens=1024)


def follow_up(asked: Sample, request: Request, response: Response) -> Request | None:
    done = sum(m.role == "user" for m in request.messages)
    turns = asked.extra["turns"]
    if done >= len(turns):
        return None
    return replace(
        request,
        messages=(
            *request.messages,
            Message("assistant", final_answer(response.text).text),
            Message("user", turns[done]),
        ),
    )


def grade(results: Sequence[Result]) -> Estimate | None:
    """The mean grade of both turns, 1 to 10, as it is published."""
    return on_scale(average(scores_of(results, "judge_score")), GRADES)


def turn(name: str) -> Metric:
    """The mean grade of one turn, 1 to 10."""

    def of(results: Sequence[Result]) -> Estimate | None:
        given = [[v.value for v in r.verdicts if v.extra.get("part") == name] for r in results]
        return on_scale(average([fmean(v for v in g if v is not None) for g in given if g and None not in g]), GRADES)

    return Metric(name=f"score_{name}", of=of)
