"""In which settings two runs differ, on a terminal or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from evalharness.comparison.settings import SettingDifference
from evalharness.data.kept import to_json
from evalharness.evidence.explain import Explanation, Moved
from evalharness.report.escape import line


def show_settings(found: Sequence[SettingDifference], *, as_json: bool, explanation: Explanation | None = None) -> None:
    """A row for each setting, the strongest first; a line for each reason; then what each of them moved."""
    if as_json:
        told = {"explained": explanation.explained, "explanation": to_json(explanation)} if explanation else {}
        print(json.dumps({"settings": to_json(list(found)), **told}))
        return
    _show_table(found)
    if explanation is not None:
        _show_explanation(explanation)


def _show_table(found: Sequence[SettingDifference]) -> None:
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


def _show_explanation(told: Explanation) -> None:
    """A line for each step: what was changed, the score then, what that moved and what is left."""
    names = f"{line(told.new)} is {_points(told.difference)} against {line(told.base)}"
    print(f"\nOn {told.items} items that both asked, {names}.")
    for step in told.steps:
        changed = f"{step.option} {line(step.before)} -> {line(step.after)}"
        what = changed if step.option else "asked again, nothing changed"
        print(f"{what}: {step.score:.3f}, moved {_points(step.moved)}; left {_points(step.left)}")
    if told.explained:
        print("explained: what is left cannot be told from none")
    else:
        print("not explained: what is left has other reasons, such as the machine, the server or the program itself")


def _points(moved: Moved) -> str:
    """A difference in points with its interval."""
    return f"{100 * moved.value:+.1f} points (95 % {100 * moved.low:+.1f} to {100 * moved.high:+.1f})"


def _said(value: object) -> str:
    """A value in a few characters, hashes by their first eight."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    hashed = len(text) >= 40 and all(c in "0123456789abcdef/" for c in text)
    return text[:8] if hashed else line(text, 60)
