"""Runs untrusted programs and says which pass: `Sandbox.run(Program) -> ProgramOutcome` (docs/sandbox.md)."""
