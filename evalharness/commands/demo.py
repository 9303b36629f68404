"""`evalh demo`: evaluate, fine-tune, evaluate again and compare with the embedded model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

NEXT = (
    "evalh finetune YOUR-DATA.jsonl --model YOUR-BASE-MODEL --out tuned",
    "for m in YOUR-BASE-MODEL tuned; do evalh run mmlu ifeval --model local:$m --name run-$(basename $m); done",
    "evalh compare run-YOUR-BASE-MODEL run-tuned --gate",
)
SHOWN = 3  # flips per benchmark and direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the demo teaches: the file of its rows, what is asked before and after, the runs' names beginning with
    `prefix`, and how it is trained; options that are '' or 0 are left to `evalh run` and `evalh finetune`. `style` is
    the prompt format of both."""

    title: str
    file: str
    exams: tuple[str, ...]
    prefix: str
    out: str
    epochs: int
    batch: int
    data: str = ""
    style: str = ""
    lr: float = 0.0


INSTRUCTIONS = Lesson(
    title="Teach it to follow instructions.", file="instructions.jsonl", exams=("tiny_exam", "tiny_instructions"),
    prefix="", out="tuned", epochs=2, batch=16,
)  # fmt: skip
LETTERS = Lesson(
    title="Teach it to answer with the letter of an option.", file="letters.jsonl", exams=("tiny_letters", "mmlu"),
    prefix="letters-", out="letters", epochs=1, batch=32, data="sample", style="none", lr=5e-4,
)  # fmt: skip


def demo(
    folder: Annotated[Path, Option(help="Where data, runs and the tuned model go.")] = Path("evalh-demo"),
    letters: Annotated[bool, Option("--letters", help="Teach it the letters of MMLU's options instead.")] = False,
    seed: Annotated[int, Option(help="Seed of the fine-tuning.")] = 123,
) -> int:
    """See the whole road in a minute or two: no network, no account, no GPU.

    Every step is a command that you can type; the same command goes on where a stopped demo was.
    """
    import shlex
    import time

    lesson = LETTERS if letters else INSTRUCTIONS
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / lesson.file, letters)
    for title, words, act in _steps(folder, lesson, seed):
        print(f"\n# {title}\n$ {shlex.join(['evalh', *words])}", flush=True)
        began = time.perf_counter()
        code = act()
        print(f"({time.perf_counter() - began:.0f} s)", flush=True)
        if code:
            return code
    print("\n# With a model of your own:", *(f"$ {line}" for line in NEXT), sep="\n")
    return 0


def _write_rows(file: Path, letters: bool) -> None:
    """The rows that come with the package, or those about letters, which leave out what MMLU's bundled sample asks."""
    import json
    import shutil

    from evalharness import plugins, tiny
    from evalharness.data.files import jsonl
    from evalharness.tiny.lessons import asked_elsewhere, split_facts
    from evalharness.tiny.letters import letter_rows

    if not letters:
        shutil.copyfile(tiny.INSTRUCTIONS, file)
        return
    asked = [(row["question"], row["choices"][row["answer"]]) for row in jsonl(plugins.bundled("mmlu"))]
    rows = letter_rows(split_facts(asked_elsewhere(asked))["train"])
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _steps(folder: Path, lesson: Lesson, seed: int) -> Iterator[tuple[str, list[str], Callable[[], int]]]:
    """(title, the command in words, the call that does the same) of each step."""
    data, tuned, runs = folder / lesson.file, folder / lesson.out, folder / "runs"
    base, new = f"{lesson.prefix}base", f"{lesson.prefix}tuned"
    where = ["--runs", str(runs)]
    asked = ["run", *lesson.exams, *(["--data", lesson.data] if lesson.data else [])]
    asked += [*(["--template", lesson.style] if lesson.style else []), "--model"]
    training = ["--out", str(tuned), "--epochs", str(lesson.epochs), "--batch", str(lesson.batch), "--test", "0"]
    training += ["--style", lesson.style] if lesson.style else []
    training += ["--lr", f"{lesson.lr:g}"] if lesson.lr else []
    yield (
        "What can the base model do?",
        [*asked, "tiny", "--name", base, *where],
        lambda: _evaluate(lesson, "tiny", runs, base),
    )
    yield (
        lesson.title,
        ["finetune", str(data), "--model", "tiny", *training, "--seed", str(seed)],
        lambda: _finetune(lesson, data, tuned, seed),
    )
    yield (
        "And now?",
        [*asked, f"local:{tuned}", "--name", new, *where],
        lambda: _evaluate(lesson, f"local:{tuned}", runs, new),
    )
    yield (
        "Is it better, and where?",
        ["compare", base, new, "--show", str(SHOWN), *where],
        lambda: _compare(base, new, runs),
    )


def _evaluate(lesson: Lesson, model: str, runs: Path, name: str) -> int:
    from evalharness import api
    from evalharness.options import LocalOptions
    from evalharness.report import progress

    watching = progress.watcher(quiet=False)
    outcome = api.evaluate(
        lesson.exams, model, name=name, runs=runs, data=lesson.data or None, observer=watching,
        model_options=LocalOptions(template=lesson.style) if lesson.style else None,
    )  # fmt: skip
    progress.show_run(outcome, as_json=False)
    return outcome.exit_code


def _finetune(lesson: Lesson, data: Path, out: Path, seed: int) -> int:
    from evalharness import api
    from evalharness.report import training
    from evalharness.training.config import TrainingConfig

    settings = TrainingConfig(epochs=lesson.epochs, batch=lesson.batch, lr=lesson.lr, seed=seed)
    lines, style = training.TrainingLines(), lesson.style or None
    tuned = api.finetune(data, "tiny", out, settings=settings, observer=lines, test=0.0, style=style)
    training.show_training(tuned, as_json=False)
    return 0


def _compare(base: str, new: str, runs: Path) -> int:
    from evalharness import api
    from evalharness.report import deliver

    made = api.compare(base, new, runs=runs)
    deliver.deliver_comparison(made, deliver.ReportsWanted(show=SHOWN))
    return made.settled()
