"""The first prompts of a run exactly as a model would read them, and the most that the run could cost; asks nobody."""

from __future__ import annotations

from dataclasses import dataclass

from evalharness import plugins
from evalharness.model import Preview, Previews, Priced
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan, Task
from evalharness.runs.questions import Question


@dataclass(frozen=True, kw_only=True)
class PromptView:
    """One prompt as the model will read it."""

    id: str
    preview: Preview
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Previewed:
    """The first prompts of a run, and what the whole run would cost at most (None: no price known)."""

    task: Task
    model: str
    prompts: tuple[PromptView, ...]
    cost: float | None


def preview_prompts(plan: Plan, model: str, options: object, count: int) -> Previewed:
    """The first `count` prompts exactly as `model`, opened with these options, will read them."""
    opened = plugins.load_model(model, options, to_ask=False)
    task = planning.prepare_task(plan.benchmarks[0], plan, opened)

    def seen(question: Question) -> Preview:
        return opened.preview(question.request) if isinstance(opened, Previews) else Preview(text=question.request.text)

    prompts = tuple(
        PromptView(id=q.sample.id, preview=seen(q), choices=q.request.choices) for q in task.questions[:count]
    )
    prices = opened.prices if isinstance(opened, Priced) else None
    return Previewed(task=task, model=opened.name, prompts=prompts, cost=_dearest(task, prices))


def _dearest(task: Task, prices: tuple[float, float] | None) -> float | None:
    """The most a run can cost: three characters a token, answers as long as allowed."""
    if prices is None:
        return None
    tokens_in = sum(len(q.request.text) for q in task.questions) / 3
    tokens_out = sum(q.request.max_tokens for q in task.questions)
    return (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6
