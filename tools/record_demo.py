"""Makes docs/demo.svg from what a real `evalh demo` printed.

    FORCE_COLOR=1 COLUMNS=88 evalh demo > demo.log 2>&1; python tools/record_demo.py demo.log docs/demo.svg

Kept are the comments, the commands, the figures and the verdicts, every line whole. No other host is asked for a font.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

WIDTH, MOST = 92, 40
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The comments and commands, rows of the tables of figures and of the comparison, and the last word of a step.
KEPT = re.compile(
    r"# |\$ evalh (run|finetune|compare)| (benchmark|task)\b| tiny_\w+ .*\d|.*\b(exact_match|accuracy) .*\d|"
    r"evalh-demo/tuned: weights of|(PASS|FAIL|INCONCLUSIVE)\b"
)
FONT = "font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;"


def shortened(lines: list[str]) -> list[str]:
    """The lines that tell the story, each whole: a command that is longer than the picture is wide goes on below."""
    kept: list[str] = []
    for line in lines:
        plain = COLOUR.sub("", line).rstrip()
        if plain.startswith("# With a model of your own"):
            break
        if not KEPT.match(plain):
            continue
        if plain.startswith("# ") and kept:
            kept.append("")
        kept += folded(plain) if plain.startswith("$ ") else [line.rstrip()]
    return kept


def folded(command: str) -> list[str]:
    """A command as a person breaks it, between two of its words."""
    lines, now = [], ""
    for word in command.split():
        if len(f"{now} {word} \\") > WIDTH:
            lines.append(f"{now} \\")
            now = f"   {word}"
        else:
            now = f"{now} {word}".strip() if not lines else f"{now} {word}"
    return [*lines, now]


def main() -> None:
    from rich.console import Console
    from rich.text import Text

    source, to = map(Path, sys.argv[1:3])
    lines = shortened(source.read_text(encoding="utf-8").splitlines())
    widest = max(len(COLOUR.sub("", line)) for line in lines)
    if len(lines) + 1 > MOST or widest > WIDTH:
        sys.exit(f"{len(lines) + 1} lines of {widest} columns; wanted at most {MOST} of {WIDTH}")
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text("$ evalh demo", style="bold"))
        for line in lines:
            style = "bold" if line.startswith("$ ") else "dim" if line.startswith("# ") else ""
            console.print(Text.from_ansi(line, style=style), soft_wrap=True)
        drawn = console.export_svg(title="evalh demo")
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    to.write_text(re.sub(r"font-family: [^;]*;", FONT, drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
