"""Two system prompts side by side: every model of a suite is asked everything with both, and its two runs compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness import plugins
from evalharness.comparison.gate import ComparisonRequest, GatedComparison, comparison_options, policy, run_gate
from evalharness.errors import UserError, option_name
from evalharness.events import Observer
from evalharness.runs.session import RunOutcome
from evalharness.suites.run import suite_start, whole_runs
from evalharness.suites.schema import Suite, SuiteModel


@dataclass(frozen=True, kw_only=True)
class PromptComparison:
    """One model with prompt A and with prompt B: both runs, and B compared with A."""

    model: str
    a: RunOutcome
    b: RunOutcome
    compared: GatedComparison


def compare_prompts(
    suite: Suite, prompts: tuple[str, str], runs: Path, observer: Observer
) -> Iterator[PromptComparison]:
    """Ask every model with either system prompt (a text, or a file that holds it); an entry comes once it is there.

    UserError, before anything is asked, for a prompt that is no file where one is meant, two that are the same, and a
    model that takes none.
    """
    if prompts[0] == prompts[1]:
        raise UserError(
            f"{option_name('prompt_a')} and {option_name('prompt_b')} are the same; give two prompts to compare"
        )
    pairs = [tuple(_with_prompt(model, prompt) for prompt in prompts) for model in suite.models]
    # A system prompt is part of the model, not of the benchmark's questions: those are the same on both sides.
    options = comparison_options(suite.margins, suite.alpha, (), (), clusters=suite.clusters, rules=suite.rules)
    chosen = policy(suite.policy, gate=suite.gate)
    outcomes = whole_runs([suite_start(suite, one, runs) for pair in pairs for one in pair], observer)
    for model in suite.models:
        a, b = (_whole(next(outcomes)) for _ in prompts)
        request = ComparisonRequest(
            base=str(a.run.path), new=str(b.run.path), options=options, gate=suite.gate, policy=chosen, runs=runs
        )
        yield PromptComparison(model=model.name, a=a, b=b, compared=run_gate(request))


def _whole(outcome: RunOutcome | UserError) -> RunOutcome:
    if isinstance(outcome, UserError):
        raise outcome
    return outcome


def _with_prompt(model: SuiteModel, prompt: str) -> SuiteModel:
    """A model with this system prompt in place of its own. Its run is named after the prompt, so that the same prompt
    finds it again, whichever of the two it is."""
    made = replace(model, options={**model.options, "system": prompt})
    plugins.load_model(made.spec, made.options)  # what it does not take, or a file that is not there, is said now
    text = Path(prompt).read_bytes() if _is_file(prompt) else prompt.encode("utf-8", "surrogatepass")
    return replace(made, name=f"{model.name}-prompt-{hashlib.sha256(text).hexdigest()[:8]}")


def _is_file(prompt: str) -> bool:
    try:
        return Path(prompt).is_file()
    except (OSError, ValueError):  # a text, too long for a name
        return False
