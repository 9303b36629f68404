"""What a pipeline asks of `evalh ci`, and the commands that ask it again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from evalharness.comparison.baseline import BASELINES

_SHOWN = ("name", "baseline", "baseline_ref", "policy_ref", "policy", "runs", "baselines")


@dataclass(frozen=True, kw_only=True)
class SuiteGateRequest:
    """What a pipeline asks for. None is the suite's own.

    `name` is what the suite is called in its runs' folders and reports. `baseline_ref` is where the baseline's file is
    taken from, `policy_ref` where all of the suite is taken from but its models. `set_baseline` keeps the runs as
    baselines unless the gate failed. `consent` is to running untrusted code. `folder` is where relative paths start.
    """

    suite: Path
    runs: Path = Path("runs")
    baselines: Path = BASELINES
    name: str | None = None
    baseline: str | None = None
    baseline_ref: str | None = None
    policy_ref: str | None = None
    policy: str | None = None
    no_baseline: str | None = None
    set_baseline: bool = False
    consent: bool = False
    folder: Path = Path()

    def command(self) -> str:
        """The command that does all this again."""
        usual = SuiteGateRequest(suite=self.suite)
        options = [(name, getattr(self, name)) for name in _SHOWN if getattr(self, name) != getattr(usual, name)]
        return self.command_with(*(word for name, value in options for word in (f"--{name.replace('_', '-')}", value)))

    def command_with(self, *words: object) -> str:
        """`evalh ci` over the same suite with other options, to be pasted into a shell."""
        return shlex.join(["evalh", "ci", *map(str, (self.suite, *words))])
