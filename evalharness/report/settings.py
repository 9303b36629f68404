"""In which settings two runs differ, on a terminal or as JSON."""

from __future__ import annotations

import json
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
    from rich.text import Text

    from evalharness.report import compare_terminal
    from evalharness.report.fitted import FittedTable

    table = FittedTable()
    table.add_named("setting", "BASE", "NEW", "effect on scores")
    for one in found:
        table.add_row(*(Text(word) for word in (line(one.setting), _said(one.base), _said(one.new), one.effect)))
    why = dict.fromkeys(f"{one.effect}: {one.why}" for one in found if one.why)
    print(compare_terminal.table_text(table, why), end="")


def _said(value: object) -> str:
    """A value in a few characters, hashes by their first eight."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    hashed = len(text) >= 40 and all(c in "0123456789abcdef/" for c in text)
    return text[:8] if hashed else line(text, 60)
