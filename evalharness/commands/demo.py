"""`evalh demo`: evaluate, fine-tune, evaluate again and compare with the embedded model; a script over the commands."""

from pathlib import Path
from typing import Annotated

from typer import Option

EXAMS = ["tiny_exam", "tiny_instructions"]
NEXT = (
    "evalh finetune YOUR-DATA.jsonl --model YOUR-BASE-MODEL --out tuned",
    "for m in YOUR-BASE-MODEL tuned; do evalh run mmlu ifeval --model local:$m --name run-$(basename $m); done",
    "evalh compare run-YOUR-BASE-MODEL run-tuned --gate",
)


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
    from evalharness.cli import guarded

    folder.mkdir(parents=True, exist_ok=True)
    data, tuned, runs = folder / "instructions.jsonl", folder / "tuned", folder / "runs"
    shutil.copyfile(tiny.INSTRUCTIONS, data)
    where = ["--runs", str(runs)]
    training = ["--out", str(tuned), "--epochs", "2", "--batch", "16", "--test", "0", "--seed", str(seed)]
    steps = (
        ("What can the base model do?", ["run", *EXAMS, "--model", "tiny", "--name", "base", *where]),
        ("Teach it to follow instructions.", ["finetune", str(data), "--model", "tiny", *training]),
        ("And now?", ["run", *EXAMS, "--model", f"local:{tuned}", "--name", "tuned", *where]),
        ("Is it better, and where?", ["compare", "base", "tuned", "--show", "3", *where]),
    )
    for title, arguments in steps:
        print(f"\n# {title}\n$ {shlex.join(['evalh', *arguments])}", flush=True)
        began = time.perf_counter()
        code = guarded(arguments)
        print(f"({time.perf_counter() - began:.0f} s)", flush=True)
        if code:
            return code
    print("\n# With a model of your own:", *(f"$ {line}" for line in NEXT), sep="\n")
    return 0
