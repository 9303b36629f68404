"""A terminal table whose names are broken where their parts end, not in mid-word, and only where it is too wide.

Where that is not enough the columns that may be left out are, the last first; and where nothing more can be left out a
row becomes a line for each of its cells. So no word and no figure is ever broken.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Letters and digits, with the marks that follow them; a number such as 4.1 or 1,319 is one.
_PART = re.compile(r"(?:[^\W_]|(?<=\d)[.,](?=\d))+(?:[\W_]+|$)|[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    heading: str
    justify: Literal["left", "right"]
    named: bool
    optional: bool


@dataclass(slots=True)
class FittedTable:
    """Rows of cells under headings. Cells are `Text`, so that no markup in them is obeyed."""

    columns: list[_Column] = field(default_factory=list)
    rows: list[Sequence[Text]] = field(default_factory=list)

    def add_column(
        self, heading: str, justify: Literal["left", "right"] = "left", *, named: bool = False, optional: bool = False
    ) -> None:
        """A column; `named`: its heading and cells are names that may be broken between their parts."""
        self.columns.append(_Column(heading=heading, justify=justify, named=named, optional=optional))

    def add_named(self, *headings: str) -> None:
        """Columns of names."""
        for heading in headings:
            self.add_column(heading, named=True)

    def add_figures(self, *headings: str, optional: bool = False) -> None:
        """Columns of figures, which are never broken where there is room."""
        for heading in headings:
            self.add_column(heading, "right", optional=optional)

    def add_row(self, *cells: Text) -> None:
        """A row, a cell for each column."""
        self.rows.append(cells)

    def fits(self, console: Console) -> bool:
        """Whether all columns have room with no figure broken."""
        return self._fitted(console, console.options, range(len(self.columns)))[1] <= 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = list(range(len(self.columns)))
        while True:
            narrow, left = self._fitted(console, options, shown)
            optional = [at for at in shown if self.columns[at].optional]
            if left <= 0 or not optional:
                break
            shown.remove(optional[-1])
        if left <= 0:
            yield self._table(shown, narrow)
        else:
            yield from self._stacked(shown, options.max_width)

    def _fitted(self, console: Console, options: ConsoleOptions, shown: Sequence[int]) -> tuple[dict[int, int], int]:
        """How wide columns of names are to be, none where all is as wide as it likes, and what is still too much."""
        full = self._table(shown, {})
        excess = Measurement.get(console, options.update(width=10_000), full).maximum - options.max_width
        if excess <= 0:
            return {}, 0
        return _narrowed({at: self._widths(at) for at in shown if self.columns[at].named}, excess)

    def _widths(self, at: int) -> tuple[int, int]:
        """How wide a column is, and how wide it must be at least: the longest part of a name."""
        words = [self.columns[at].heading, *(row[at].plain for row in self.rows)]
        parts = [part.rstrip() for word in words for part in name_parts(word)]
        return max(map(cell_len, words), default=0), max(map(cell_len, parts), default=0)

    def _stacked(self, shown: Sequence[int], width: int) -> Iterator[Text]:
        """A line for each cell, under the first of its row."""
        for row in self.rows:
            indent = ""
            for at in shown:
                if row[at].plain:
                    said = f"{self.columns[at].heading} {row[at].plain}".strip()
                    yield Text(textwrap.indent(_broken_text(said, width - len(indent)), indent), style=row[at].style)
                indent = "  "

    def _table(self, shown: Sequence[int], narrow: dict[int, int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for at in shown:
            one, width = self.columns[at], narrow.get(at)
            heading = Text(one.heading if width is None else broken_name(one.heading, width))
            table.add_column(heading, justify=one.justify, no_wrap=not one.named, overflow="fold", min_width=width)
        for row in self.rows:
            cells = ((at, row[at]) for at in shown)
            table.add_row(*(Text(broken_name(cell.plain, narrow[at]), style=cell.style) if at in narrow else cell
                            for at, cell in cells))  # fmt: skip
        return table


def _narrowed(widths: dict[int, tuple[int, int]], excess: int) -> tuple[dict[int, int], int]:
    """The width of each column of names once so much is taken from them, the widest first; and what is left over."""
    found = {at: width for at, (width, _) in widths.items()}
    while excess > 0 and (these := [at for at in found if found[at] > widths[at][1]]):
        found[max(these, key=lambda at: found[at])] -= 1
        excess -= 1
    return found, excess


def name_parts(name: str) -> list[str]:
    """`mmlu_pro/law-2` in the parts between which it may be broken: `mmlu_`, `pro/`, `law-`, `2`."""
    return _PART.findall(name)


def _broken_text(said: str, width: int) -> str:
    """A text in lines of at most `width` cells: between its words, a longer word between its parts."""
    lines = [""]
    for word in said.split(" "):
        if lines[-1] and cell_len(f"{lines[-1]} {word}") > width:
            lines.append("")
        lines[-1] = (
            broken_name(f"{lines[-1]} {word}".lstrip(), width)
            if cell_len(word) > width
            else (f"{lines[-1]} {word}".lstrip())
        )
    return "\n".join(lines)


def broken_name(name: str, width: int) -> str:
    """A name in lines of at most `width` cells, as far as its parts allow."""
    lines = [""]
    for part in name_parts(name):
        if lines[-1] and cell_len((lines[-1] + part).rstrip()) > width:
            lines.append(part)
        else:
            lines[-1] += part
    return "\n".join(said.rstrip() for said in lines)
