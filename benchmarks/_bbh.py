"""BIG-Bench Hard's tasks, prompts and answers (https://github.com/suzgunmirac/BIG-Bench-Hard)."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.files import parse_json, read_text
from evalharness.data.rows import Files, Row, Source, Want
from evalharness.errors import DataError
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import binary_score, letter, unparsed_score

# What each task's prompt begins with, as its authors word it.
DESCRIPTIONS: dict[str, str] = json.loads(Path(__file__).with_name("bbh.json").read_text(encoding="utf-8"))
TASKS = tuple(sorted(DESCRIPTIONS))
ITEMS = {"causal_judgement": 187, "penguins_in_a_table": 146, "snarks": 178}  # 250 in every other task

# What of the question's own spelling the answer depends on.
FORM = {
    "boolean_expressions": "symbols", "dyck_languages": "symbols", "multistep_arithmetic_two": "symbols",
    "geometric_shapes": "code", "hyperbaton": "the order of words", "word_sorting": "the letters of words",
    "ruin_names": "the letters of names",
}  # fmt: skip


def of_task(task: str, data: Path | None, *, steps: bool) -> Benchmark:
    """One task. The authors' three examples come from their folder cot-prompts; without it none are shown."""
    return Benchmark(
        title=f"BIG-Bench Hard: {task.replace('_', ' ')}{', step by step' if steps else ''}",
        paper="https://arxiv.org/abs/2210.09261",
        licence="MIT",
        items=ITEMS.get(task, 250),
        about_form=FORM.get(task, ""),
        source=Source(
            "lukaemon/bbh@982bb89fd79532a8ac676a61fc42eb1aeec63f99",
            config=task,
            shot_split="shots",
            files=files(task),
            sample=Path(__file__).with_name("bbh.jsonl"),
        ),
        sample=sample,
        prompt=with_steps(task) if steps else direct(task),
        shots=3 if data is not None and prompt_file(data, task) is not None else 0,
        max_tokens=1024 if steps else 64,
        stop=("</s>", "Q:", "\n\n"),
        score=after_steps if steps else exact,
    )


def discover(data: Path) -> tuple[str, ...]:
    """The tasks whose file is there."""
    return tuple(task for task in TASKS if task_file(data, task) is not None)


def task_file(path: Path, task: str) -> Path | None:
    if path.is_file():
        return path if path.stem == task else None
    return next((f for folder in (path / "bbh", path) if (f := folder / f"{task}.json").is_file()), None)


def prompt_file(path: Path, task: str) -> Path | None:
    folders = (path.parent.parent, path.parent) if path.is_file() else (path, path.parent)
    return next((f for folder in folders if (f := folder / "cot-prompts" / f"{task}.txt").is_file()), None)


def files(task: str) -> Files:
    """Reads TASK.json for the questions and cot-prompts/TASK.txt for the examples."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        found = prompt_file(path, task) if want.split == "shots" else task_file(path, task)
        if found is None:
            return None
        if want.split == "shots":
            return _examples(found)
        held: list[Row] = parse_json(read_text(found), found)["examples"]
        return iter(held)

    return Files(f"bbh/{task}.json of BIG-Bench-Hard (and cot-prompts/{task}.txt for its examples)", read)


def _examples(file: Path) -> Iterator[Row]:
    """The solved questions of a prompt file: `Q: ...`, `A: Let's think step by step.`, steps that end in the answer."""
    _, _, prompt = read_text(file).replace("\r\n", "\n").partition("\n-----\n")
    solved = re.findall(
        r"^Q: (.*?)\nA: Let's think step by step\.(\s.*?)(?=\n\nQ: |\s*\Z)", prompt, re.DOTALL | re.MULTILINE
    )
    if not solved:
        raise DataError(f"{file}: wanted a line of five dashes and then questions and answers after `Q: ` and `A: `")
    for question, steps in solved:
        yield {"input": question, "target": said(steps) or "", "steps": steps}


def sample(row: Row) -> Sample:
    return Sample(question=row["input"], answers=(row["target"],), extra={"steps": row.get("steps", "")})


def direct(task: str) -> Prompt:
    """`Q: ...`, `A:`, and the answer."""
    header = DESCRIPTIONS[task] + "\n\n"
    return Prompt(
        description=lambda _: header, question=lambda s: f"Q: {s.question}\nA:", answer=lambda s: " " + s.answers[0]
    )


def with_steps(task: str) -> Prompt:
    """`Q: ...`, `A: Let's think step by step.`, and on the next line the steps."""
    header = DESCRIPTIONS[task] + "\n\n"
    return Prompt(
        description=lambda _: header,
        question=lambda s: f"Q: {s.question}\nA: Let's think step by step.",
        answer=lambda s: s.extra["steps"] or f"\nSo the answer is {s.answers[0]}.",
    )


def said(text: str) -> str | None:
    """What stands after the last `answer is`, without its full stop; None where nothing does."""
    _, found, rest = text.rpartition("answer is ")
    return rest.strip().strip("*").removesuffix(".").strip() if found else None


def exact(asked: Sample, request: Request, response: Response) -> Score:
    """Exact match of the whole text, or of what stands after the last `answer is`."""
    found = said(response.text)
    if found is not None:
        return _compare(asked, found, "text after `answer is `")
    return _compare(asked, response.text.strip().removesuffix("."), "the whole text")


def after_steps(asked: Sample, request: Request, response: Response) -> Score:
    """Exact match of what stands after the last `answer is`; an answer that never says it is not read."""
    return _compare(asked, said(response.text) or "", "text after `answer is `")


def _compare(asked: Sample, answer: str, rule: str) -> Score:
    """Exact match, as the authors have it. Where the target is an option, it may stand bare (`D`) or before its text
    (`(D) 12/14/1937`), but not among others: `(A) or (B)` is neither."""
    target = asked.answers[0].strip()
    if re.fullmatch(r"\([A-Z]\)", target) and answer and answer != target:
        first = re.match(r"[\s*]*(\([A-Z]\))", answer)
        several = len(set(re.findall(r"\([A-Z]\)", answer))) > 1
        bare = None if "(" in answer else letter(answer, 26)
        answer = first.group(1) if first and not several else f"({bare})" if bare else answer
    return replace(binary_score(answer == target, answer), detail={"rule": rule}) if answer else unparsed_score()
