"""MBPP's two versions: what they share."""

from collections.abc import Sequence
from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.building_blocks.code import (
    PROGRAM_METRICS,
    code_block,
    not_opened,
    open_code_scorer,
    plus_test,
    program_cautions,
)
from evalharness.data.rows import Files, Row, Source, Want
from evalharness.errors import DataError
from evalharness.records import Message, Mode, Request, Sample
from evalharness.sandbox.program import Limits, Program
from evalharness.text.stops import cut_at_stop

from ._code import jsonl_file, names, needs, text_fields, top_level

STOP = ("[DONE]",)
SHOTS = ("2", "3", "4")  # the paper's three examples, by task id
LIMITS = Limits(seconds=10.0)  # reference program 123 needs 2.5 s of a fast core: the usual 3 s would be a lottery
SPLITS = {"prompt": range(1, 11), "test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}


def sample(row: Row) -> Sample:
    """A row of MBPP, of its sanitized version, or of MBPP+."""
    code = row.get("code", row.get("canonical_solution"))
    text = row.get("text", row.get("prompt"))
    text_fields({"text": text, "code": code}, "text", "code")
    code = code.replace("\r\n", "\n")
    asserts = list(row.get("test_list") or [])
    setup = (
        "\n".join([row.get("test_setup_code") or "", *(row.get("test_imports") or [])]).replace("\r\n", "\n").strip()
    )
    plus = "base_input" in row
    if not plus and not asserts:
        raise ValueError(f"{row.get('task_id')}: test_list is empty")
    test = "\n".join(part for part in (setup, *asserts) if part)
    entry = row.get("entry_point") or entry_of(test, code)
    test = plus_test(dict(row), code) + f"\ncheck({entry})" if plus else test
    wanted, modules = needs(test)
    return Sample(
        id=str(row["task_id"]), question=text, answers=(code,),
        extra={
            "entry": entry, "test": test, "asserts": asserts, "splittable": wanted <= {entry},
            "context": "\n".join(f"import {name}" for name in sorted(modules)),
        },
    )  # fmt: skip


def entry_of(test: str, code: str) -> str:
    """The function that the test calls and the reference defines. ValueError where there is none."""
    used, bound = names(test)
    both = (used - bound) & top_level(code)
    if not both:
        raise ValueError("the test calls no function that the code defines, and there is no entry_point")
    # A test that needs more than one of the program's names calls its entry point outermost, so first.
    return min(both, key=lambda name: test.find(name, test.find("assert")) % (len(test) + 1))


def task(asked: Sample) -> str:
    tests = "\n".join(asked.extra["asserts"])
    return (
        "You are an expert Python programmer, and here is your task: "
        f"{asked.question} Your code should pass these tests:\n\n{tests}\n"
    )


PROMPT = Prompt(question=lambda s: task(s) + "[BEGIN]\n", answer=lambda s: s.answers[0] + "\n[DONE]")


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    if chat:
        text = task(asked) + "\nAnswer with the whole program in one Python code block.\n"
        return Request(messages=(Message("user", text),), max_tokens=1024)
    return Request(messages=(Message("user", PROMPT.text(asked, shots)),), max_tokens=512, stop=STOP)


def program(asked: Sample, request: Request, text: str) -> Program | None:
    """The program between [BEGIN] and [DONE], or the answer's code block."""
    entry, chat = asked.extra["entry"], not request.text.endswith("[BEGIN]\n")
    code = code_block(text, entry) if chat or "```" in text else cut_at_stop(text.removeprefix("[BEGIN]\n"), STOP)
    if code is None:
        return None
    context, test = asked.extra["context"], asked.extra["test"]
    return Program(source=code, context=context, test=test, entry=entry, limits=LIMITS)


def first_three(shots: Sequence[Sample], asked: Sample, count: int) -> Sequence[Sample]:
    """The paper's examples before the others, where as many as are wanted are there."""
    by_id = {shot.id: shot for shot in shots}
    chosen = [by_id[name] for name in SHOTS if name in by_id]
    return [*chosen, *(s for s in shots if s not in chosen)] if count <= len(chosen) else shots


def files(pattern: str) -> Files:
    """The rows of one split of the authors' file; a file of other tasks (MBPP+) is all test."""
    read = jsonl_file(pattern)

    def of(path: Path, want: Want) -> list[Row] | None:
        rows = read(path, want)
        if rows is None:
            return None
        numbered = [(int(str(row.get("task_id", 0)).removeprefix("Mbpp/")), row) for row in rows]
        chosen = [row for number, row in numbered if number in SPLITS[want.split]]
        if not chosen and want.split == "test":
            raise DataError(f"{path}: none of its tasks is of the test split (11 to 510)")
        return chosen

    return Files(f"the authors' {pattern}, or MbppPlus.jsonl(.gz) of EvalPlus", of)


def version(title: str, items: int, config: str, file: str) -> Benchmark:
    """One of the two versions."""
    return Benchmark(
        title=title,
        paper="https://arxiv.org/abs/2108.07732",
        licence="CC-BY-4.0",
        items=items,
        source=Source(
            "google-research-datasets/mbpp@4bb6404fdc6cacfda99d4ac4205087b89d32030c",
            config=config,
            shot_split="prompt",
            files=files(file),
        ),
        sample=sample,
        prompt=PROMPT,
        ask=ask,
        shots=3,
        shots_order=first_three,
        max_tokens=512,
        stop=STOP,
        score=not_opened,
        open_scorer=open_code_scorer(program),
        warnings=program_cautions,
        metrics=PROGRAM_METRICS,
    )
