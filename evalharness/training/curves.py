"""The log of a training read back, and its losses drawn over the steps."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole

TRAINING_FOLDER = "training"  # inside the output folder: log, state, curves, evaluations
LOG_FILE = "log.jsonl"


def read_log(file: Path) -> list[dict[str, Any]]:
    """The lines of a log; a torn last one is left out."""
    if not file.is_file():
        return []
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # killed while writing
            break
    return found


def overfitting_from(lines: Sequence[Mapping[str, Any]]) -> int | None:
    """The step of the lowest validation loss, where it was higher at the end; None where the end is the lowest."""
    seen = [(line["validation_loss"], line["step"]) for line in lines if line.get("validation_loss") is not None]
    if not seen or seen[-1][0] <= min(seen)[0]:
        return None
    return int(min(seen)[1])


def curves(lines: Sequence[Mapping[str, Any]], per_epoch: int, folder: Path, kept: int | None = None) -> None:
    """curves.png, curves.svg and curves.html: losses over epochs with a second axis in tokens, and benchmark figures.
    The step whose weights are `kept` is marked, and where overfitting begins."""
    import io

    from matplotlib import rc_context

    figure = _drawn(lines, per_epoch, kept)
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    with rc_context({"svg.hashsalt": "evalharness"}):  # the same log, the same bytes
        figure.savefig(svg, format="svg", metadata={"Date": None})
    write_whole(folder / "curves.png", png.getvalue())
    write_whole(folder / "curves.svg", svg.getvalue())
    write_whole(folder / "curves.html", _page(lines, png.getvalue(), _marks(lines, kept)))


def _marks(lines: Sequence[Mapping[str, Any]], kept: int | None) -> list[tuple[int, str, str]]:
    """Step, words and style of the line of each mark."""
    turn = overfitting_from(lines)
    marks = [(turn, f"overfitting begins, step {turn}", ":")] if turn is not None else []
    return [*marks, *([(kept, f"weights kept, step {kept}", "--")] if kept is not None else [])]


def _drawn(lines: Sequence[Mapping[str, Any]], per_epoch: int, kept: int | None) -> Any:
    from matplotlib.figure import Figure

    steps = [line for line in lines if "loss" in line]
    checks = [line for line in lines if "validation_loss" in line or "metrics" in line]
    names = sorted({name for line in checks for name in line.get("metrics", {})})
    figure = Figure(figsize=(7, 4 if not names else 7), layout="constrained")
    axes = figure.subplots(2 if names else 1, squeeze=False)[:, 0]

    def at(line: Mapping[str, Any]) -> float:
        return float(line["step"]) / max(1, per_epoch)

    axes[0].plot([at(s) for s in steps], [s["loss"] for s in steps], label="training", alpha=0.7)
    seen = [line for line in checks if line.get("validation_loss") is not None]
    axes[0].plot([at(s) for s in seen], [s["validation_loss"] for s in seen], "o-", label="validation")
    compared = any("accuracy" in line for line in steps)
    axes[0].set(xlabel="epochs", ylabel="loss per pair or row" if compared else "loss per trained token")
    for step, words, style in _marks(lines, kept):
        axes[0].axvline(step / max(1, per_epoch), linestyle=style, color="0.4", label=words)
    axes[0].legend()
    if steps:
        tokens = axes[0].twiny()
        tokens.plot([s["tokens"] for s in steps], [s["loss"] for s in steps], alpha=0)
        tokens.set_xlabel("tokens seen")
    for name in names:
        measured = [line for line in checks if name in line.get("metrics", {})]
        axes[1].plot([at(s) for s in measured], [s["metrics"][name] for s in measured], "o-", label=name)
    if names:
        axes[1].set(xlabel="epochs")
        axes[1].legend()
    return figure


def _page(lines: Sequence[Mapping[str, Any]], png: bytes, marks: Sequence[tuple[int, str, str]]) -> str:
    import base64

    image = base64.b64encode(png).decode()
    said = "; ".join(words for _, words, _ in marks)
    samples = "".join(
        f"<h3>step {line['step']}</h3>" + "".join(f"<pre>{html.escape(text)}</pre>" for text in _samples(line))
        for line in lines
        if line.get("samples")
    )
    return (
        "<!doctype html><meta charset=utf-8><title>Training</title><style>body{font:15px sans-serif;margin:2em auto;"
        "max-width:60em}pre{white-space:pre-wrap;background:#f4f4f4;padding:.5em}</style><h1>Training</h1>"
        f'<img alt="losses and metrics" src="data:image/png;base64,{image}"><p>{html.escape(said)}</p>'
        f"<h2>What it writes</h2>{samples}"
    )


def _samples(line: Mapping[str, Any]) -> list[str]:
    """Question, answer wanted and answer written; what 0.1.0 logged has the last alone."""
    written = line["samples"]
    if not line.get("asked"):
        return list(written)
    together = zip(line["asked"], line["wanted"], written, strict=False)
    return [f"asked: {asked}\nwanted: {wanted}\nwritten: {text}" for asked, wanted, text in together]
