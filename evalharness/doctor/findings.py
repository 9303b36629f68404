"""What an examination found: one finding for each check, with a verdict, what was seen, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from evalharness.errors import Exit

FindingVerdict = Literal["ok", "look", "wrong", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check. `look` is something that a user should know, `wrong` what makes figures wrong, `unknown` what could
    not be seen from here."""

    check: str
    verdict: FindingVerdict
    said: str
    do: str = ""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """All that was found of one model or benchmark."""

    subject: str
    findings: Sequence[CheckResult]

    @property
    def exit_code(self) -> int:
        """1 where something is wrong; what is only to be looked at, or not known, fails nothing."""
        return Exit.GATE_FAILED if any(one.verdict == "wrong" for one in self.findings) else Exit.FINE

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {"subject": self.subject, "findings": [asdict(one) for one in self.findings]}
