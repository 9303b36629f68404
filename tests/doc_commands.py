"""The commands that the documentation shows, found in its fenced blocks."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\s*(?:\$ |- run: |run: |- )?(evalh(?: .*)?)$")
_END = re.compile(r"\s+#.*|\s+(?:&&|\|\|?|>>?)\s.*|;.*")  # what follows a command on its line


class Shown(NamedTuple):
    """A command line of a page: the language of its block, and its text without what the shell does with it."""

    page: str
    language: str
    line: str

    @property
    def words(self) -> list[str]:
        """Its words after `evalh`."""
        return shlex.split(self.line)[1:]

    @property
    def is_usage(self) -> bool:
        """Whether it is the head of a reference page, `evalh run [OPTIONS] ...`, which nobody types."""
        return "[OPTIONS]" in self.line


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of the fenced blocks of a page."""
    for found in _FENCE.finditer(text):
        yield found[2].strip(), found[3]


def commands(page: Path) -> list[Shown]:
    """Every command line of evalh in a page's blocks, in their order."""
    shown = []
    for language, content in blocks(page.read_text(encoding="utf-8")):
        for line in content.replace("\\\n", " ").splitlines():
            if found := _COMMAND.match(line):
                shown.append(Shown(page.name, language, _END.sub("", found[1]).strip()))
    return shown
