"""OpenTelemetry: a span for a run and inside it one for every answer, by the conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/. No question and no answer is sent. Where a program has set a tracer
provider it is used; else spans go by OTLP over HTTP to where OTEL_EXPORTER_OTLP_ENDPOINT says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalharness.events import Event, ResultCame, RunEnded, RunOpened
from evalharness.tracking.tracker import Figures, Tracked, Tracker

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from evalharness.records import Result

EVALUATION = "gen_ai.evaluation.result"
NANOSECONDS = 10**9


def open_tracker(tracked: Tracked) -> Tracker:
    """The span of what is tracked, begun. ModuleNotFoundError without the packages."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    there = trace.get_tracer_provider()
    own = not isinstance(there, TracerProvider)
    provider = _over_http() if own else there
    tracer = provider.get_tracer("evalharness")
    settings = {f"evalharness.{name}": _plain(value) for name, value in tracked.settings.items()}
    root = tracer.start_span(f"evaluate {tracked.name}", attributes=settings)
    inside = trace.set_span_in_context(root)
    model = ""

    def hear(event: Event) -> None:
        nonlocal model
        match event:
            case RunOpened():
                model = event.model
            case ResultCame(result=result):
                _answer_span(tracer, inside, model, result)
            case RunEnded():
                _figure_spans(tracer, inside, event)

    def log(figures: Figures, step: int) -> None:
        tracer.start_span("measured", inside, attributes={**figures, "step": step}).end()

    def close() -> None:
        root.end()
        provider.force_flush()
        if own:
            provider.shutdown()

    return Tracker(log=log, close=close, hear=hear)


def _over_http() -> Any:
    """A provider that sends spans by OTLP, in batches."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "evalharness"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _answer_span(tracer: Tracer, inside: Any, model: str, result: Result) -> None:
    """One answer: as long as the model took, with its tokens, its status and what it is worth."""
    from opentelemetry.trace import SpanKind, StatusCode

    response, end = result.response, time.time_ns()
    operation = "text_completion" if result.request.choices else "chat"
    about = {
        "gen_ai.operation.name": operation, "gen_ai.request.model": model,
        "gen_ai.request.max_tokens": result.request.max_tokens,
        "gen_ai.request.temperature": result.request.temperature,
        "gen_ai.usage.input_tokens": response.tokens_in, "gen_ai.usage.output_tokens": response.tokens_out,
        "gen_ai.response.finish_reasons": [response.finish] if response.finish else [],
        "evalharness.benchmark": result.benchmark, "evalharness.item": result.sample.id,
        "evalharness.repeat": result.repeat, "evalharness.status": result.status, "evalharness.cached": response.cached,
    }  # fmt: skip
    begun = end - int(response.seconds * NANOSECONDS)
    span = tracer.start_span(f"{operation} {model}", inside, SpanKind.CLIENT, about, start_time=begun)
    for name, value in result.scores.items():
        said = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value,
                "gen_ai.evaluation.score.label": result.status}  # fmt: skip
        span.add_event(EVALUATION, said)
    if result.status == "error":
        span.set_status(StatusCode.ERROR, response.error[:200])
    span.end(end_time=end)


def _figure_spans(tracer: Tracer, inside: Any, ended: RunEnded) -> None:
    """A span for each benchmark with its figures and their intervals."""
    for benchmark, metrics in ended.metrics.items():
        span = tracer.start_span(f"figures {benchmark}", inside, attributes={"evalharness.benchmark": benchmark})
        for name, found in metrics.items():
            said = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": found.value,
                    "evalharness.low": found.low, "evalharness.high": found.high, "evalharness.n": found.n}  # fmt: skip
            span.add_event(EVALUATION, said)
        span.end()


def _plain(value: object) -> str | bool | int | float:
    """A setting as an attribute's value."""
    if isinstance(value, str | bool | int | float):
        return value
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, default=str)
