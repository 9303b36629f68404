"""Runs untrusted programs and says which pass: `Sandbox.run(Program) -> ProgramOutcome` (docs/sandbox.md)."""

from __future__ import annotations

from typing import Any

from evalharness.sandbox.program import Limits, Program, ProgramOutcome

__all__ = ["Checked", "Limits", "Program", "ProgramOutcome", "Sandbox", "open_sandbox"]


def __getattr__(name: str) -> Any:
    # The fork server imports this package too, and has no use for the harness's side of it.
    if name in ("Checked", "Sandbox"):
        from evalharness.sandbox import pool

        return getattr(pool, name)
    if name == "open_sandbox":
        from evalharness.sandbox.tiers import open_sandbox

        return open_sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
