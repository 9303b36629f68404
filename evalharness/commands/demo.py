"""`evalh demo`: evaluate, fine-tune, evaluate again and compare with the embedded model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from typer import Option

EXAMS = ["tiny_exam", "tiny_instructions"]
NEXT = (
    "evalh finetune YOUR-DATA.jsonl --model YOUR-BASE-MODEL --out tuned",
    "for m in YOUR-BASE-MODEL tuned; do evalh run mmlu ifeval --model local:$m --name run-$(basename $m); done",
    "evalh compare run-YOUR-BASE-MODEL run-tuned --gate",
)
SHOWN = 3  # flips per benchmark and direction


def demo(
    folder: Annotated[Path, Option(help="Where data, runs and the tuned model go.")] = Path("evalh-demo"),
    seed: Annotated[int, Option(help="Seed of the fine-tuning.")] = 123,
) -> int:
    """See the whole road in a minute or two: no network, no account, no GPU.

    Every step is a command that you can type; the same command goes on where a stopped demo was.
    """
    import shlex
    import shutil
    import time

    from evalharness import tiny

    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tiny.INSTRUCTIONS, folder / "instructions.jsonl")
    for title, words, act in _steps(folder, seed):
        print(f"\n# {title}\n$ {shlex.join(['evalh', *words])}", flush=True)
        began = time.perf_counter()
        code = act()
        print(f"({time.perf_counter() - began:.0f} s)", flush=True)
        if code:
            return code
    print("\n# With a model of your own:", *(f"$ {line}" for line in NEXT), sep="\n")
    return 0


def _steps(folder: Path, seed: int) -> Iterator[tuple[str, list[str], Callable[[], int]]]:
    """(title, the command in words, the call that does the same) of each step."""
    data, tuned, runs = folder / "instructions.jsonl", folder / "tuned", folder / "runs"
    where = ["--runs", str(runs)]
    training = ["--out", str(tuned), "--epochs", "2", "--batch", "16", "--test", "0", "--seed", str(seed)]
    yield (
        "What can the base model do?",
        ["run", *EXAMS, "--model", "tiny", "--name", "base", *where],
        lambda: _evaluate("tiny", runs, "base"),
    )
    yield (
        "Teach it to follow instructions.",
        ["finetune", str(data), "--model", "tiny", *training],
        lambda: _finetune(data, tuned, seed),
    )
    yield (
        "And now?",
        ["run", *EXAMS, "--model", f"local:{tuned}", "--name", "tuned", *where],
        lambda: _evaluate(f"local:{tuned}", runs, "tuned"),
    )
    yield (
        "Is it better, and where?",
        ["compare", "base", "tuned", "--show", str(SHOWN), *where],
        lambda: _compare(runs),
    )


def _evaluate(model: str, runs: Path, name: str) -> int:
    from evalharness import api
    from evalharness.report import progress

    outcome = api.evaluate(EXAMS, model, name=name, runs=runs, observer=progress.watcher(quiet=False))
    progress.show_run(outcome, as_json=False)
    return outcome.exit_code


def _finetune(data: Path, out: Path, seed: int) -> int:
    from evalharness import api
    from evalharness.report import training
    from evalharness.training.config import TrainingConfig

    settings = TrainingConfig(epochs=2, batch=16, seed=seed)
    tuned = api.finetune(data, "tiny", out, settings=settings, observer=training.TrainingLines(), test=0.0)
    training.show_training(tuned, as_json=False)
    return 0


def _compare(runs: Path) -> int:
    from evalharness import api
    from evalharness.report import deliver

    made = api.compare("base", "tuned", runs=runs)
    deliver.deliver_comparison(made, deliver.ReportsWanted(show=SHOWN))
    return made.settled()
