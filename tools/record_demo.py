"""Makes docs/demo.svg from what a real `evalh demo` printed.

    FORCE_COLOR=1 COLUMNS=100 evalh demo > demo.log 2>&1; python tools/record_demo.py demo.log docs/demo.svg

Of the lines that tell training's progress the first and the last are kept; nothing else is left out.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROGRESS = re.compile(r"^(\x1b\[[0-9;]*m)*step \d+/\d+ ")


def shortened(lines: list[str]) -> list[str]:
    """The lines, runs of progress lines cut to their first and last."""
    kept: list[str] = []
    for at, line in enumerate(lines):
        inner = all(0 <= n < len(lines) and PROGRESS.match(lines[n]) for n in (at - 1, at, at + 1))
        if not inner:
            kept.append(line)
        elif kept[-1] != "  ...":
            kept.append("  ...")
    return kept


def main() -> None:
    from rich.console import Console
    from rich.text import Text

    source, to = map(Path, sys.argv[1:3])
    console = Console(record=True, width=100, file=Path("/dev/null").open("w"), force_terminal=True)  # noqa: SIM115
    console.print(Text("$ evalh demo", style="bold"))
    for line in shortened(source.read_text(encoding="utf-8").splitlines()):
        console.print(Text.from_ansi(line), soft_wrap=True)
    console.save_svg(str(to), title="evalh demo")


if __name__ == "__main__":
    main()
