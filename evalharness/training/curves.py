"""The log of a training read back, and its losses drawn over the steps."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole


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


def curves(lines: Sequence[Mapping[str, Any]], per_epoch: int, folder: Path) -> None:
    """curves.png and curves.html: losses over epochs with a second axis in tokens, and benchmark figures."""
    import base64
    import io

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
    axes[0].set(xlabel="epochs", ylabel="loss per trained token")
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
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    write_whole(folder / "curves.png", drawn.getvalue())
    image = base64.b64encode(drawn.getvalue()).decode()
    samples = "".join(
        f"<h3>step {line['step']}</h3>" + "".join(f"<pre>{html.escape(text)}</pre>" for text in line["samples"])
        for line in checks
        if line.get("samples")
    )
    page = (
        "<!doctype html><meta charset=utf-8><title>Training</title><style>body{font:15px sans-serif;margin:2em auto;"
        "max-width:60em}pre{white-space:pre-wrap;background:#f4f4f4;padding:.5em}</style><h1>Training</h1>"
        f'<img alt="losses and metrics" src="data:image/png;base64,{image}"><h2>What it writes</h2>{samples}'
    )
    write_whole(folder / "curves.html", page)
