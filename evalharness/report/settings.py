"""In which settings two runs differ, on a terminal or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from evalharness.comparison.settings import SettingDifference
from evalharness.data.kept import to_json
from evalharness.report.escape import line


def show_settings(found: Sequence[SettingDifference], *, as_json: bool) -> None:
    """A row for each setting, the strongest first; a line for each reason."""
    if as_json:
        print(json.dumps({"settings": to_json(list(found))}))
        return
    if not found:
        print("no setting differs")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("setting", "BASE", "NEW", "effect on scores"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(*(Text(word) for word in (line(one.setting), _said(one.base), _said(one.new), one.effect)))
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for effect, why in dict.fromkeys((one.effect, one.why) for one in found if one.why):
        console.print(f"{effect}: {why}", markup=False, highlight=False, soft_wrap=True)


def _said(value: object) -> str:
    """A value in a few characters, hashes by their first eight."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    hashed = len(text) >= 40 and all(c in "0123456789abcdef/" for c in text)
    return text[:8] if hashed else line(text, 60)
