"""What a user can say, in groups: frozen records whose fields know their help, their choices and their bounds.

A group is what one part of the program takes: a command spells its fields as flags, a program gives them by name, a
model plug-in declares its own (`Options = LocalOptions`, or a dataclass of a third party).
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from evalharness.errors import UserError, nearest, option_name

Made = TypeVar("Made")


def setting(default: Any, help: str = "", **marks: Any) -> Any:  # noqa: A002  # as argparse and typer call it
    """A field that knows its help. `marks`: `choices`, `least`, `form` (a pattern) with `wanted` (its words), `unit`,
    `flag` and `short` where the spelling is not the name's, `switch` (no `--no-...`), `repeatable`, `group`."""
    return field(default=default, metadata={"help": help, **marks})


_PRICE_IN, _PRICE_OUT = "US dollars per million prompt tokens.", "US dollars per million answer tokens."


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """How a checkpoint on this machine is run. 0 means that the engine chooses."""

    HEADING: ClassVar[str] = "Local model"

    dtype: str = setting("auto", "float32, bfloat16 or auto.", choices=("float32", "bfloat16", "auto"))
    device: str = setting(
        "auto", "cpu, cuda, cuda:1, mps or auto.",
        form=r"auto|(cpu|cuda|mps|xpu)(:\d{1,3})?", wanted="cpu, cuda, cuda:1, mps or auto",
    )  # fmt: skip
    threads: int = setting(0, "Threads of a local model; 0 = choose.", least=0)
    batch: int = setting(0, "Batch size of a local model; 0 = choose.", least=0)
    context: int = setting(0, "Context length; 0 = the model's own.", least=0)
    backend: str = setting("auto", "native, hf or auto.", choices=("native", "hf", "auto"))
    tokenizer: str | None = setting(None, "Tokenizer file of a local model.")
    template: str | None = setting(None, "Chat template; `none` asks as a base model.")
    base_model: str | None = setting(
        None, "An adapter's base: folder or hub id; what the adapter names otherwise.", short="--base", unit="MODEL"
    )
    top_k: int | None = setting(None, "Sample among the K likeliest tokens.", least=1)
    min_p: float | None = setting(None, "Sample no token of less than this share of the likeliest's.", least=0)
    repetition_penalty: float | None = setting(None, "Make tokens that were there less likely; 1 = no.", least=0.01)
    checkpoint_sampling: bool = setting(
        False, "Draw as the checkpoint's generation_config.json says; answers are greedy otherwise.", switch=True
    )
    merge_adapter: bool = setting(False, "Put an adapter into weights of its own: faster, not shared.", switch=True)


@dataclass(frozen=True, kw_only=True)
class AskingOptions:
    """How many requests a server gets at a time, how long it may take, and what is said with every request."""

    HEADING: ClassVar[str] = "Endpoint"

    concurrency: int | None = setting(
        None, "Requests at a time to a server, at most; without it 16, and more as far as it keeps up.", least=1
    )
    request_timeout: float = setting(600.0, "Seconds that one attempt may take.", least=0.1)
    system: str | None = setting(None, "System prompt: a text, or a file that holds it.", unit="TEXT|FILE")
    reasoning_effort: str | None = setting(
        None, "How much a reasoning model is to think: low, medium, high, ...",
        form=r"[A-Za-z]{1,20}", wanted="a word such as low, medium or high",
    )  # fmt: skip
    top_k: int | None = setting(None, "Sample among the K likeliest tokens.", least=1)
    extra: str | None = setting(None, "Further fields of every request's body, as a JSON object.", unit="JSON")


@dataclass(frozen=True, kw_only=True)
class ApiOptions(AskingOptions):
    """The same for an endpoint that is there: where it is, who asks, how fast, and its prices."""

    base_url: str | None = setting(None, "Address of an OpenAI-compatible server.")
    rpm: int | None = setting(None, "Requests a minute, at most.", least=1)
    tpm: int | None = setting(None, "Tokens a minute, in and out, at most.", least=1)
    price_in: float | None = setting(None, _PRICE_IN, least=0)
    price_out: float | None = setting(None, _PRICE_OUT, least=0)
    header: tuple[str, ...] = setting(
        (), "Send this header; its value is in the environment. Repeatable.", repeatable=True, unit="NAME=ENVVAR"
    )


@dataclass(frozen=True, kw_only=True)
class CompletionsOptions:
    """How a server is asked as a base model."""

    template: str | None = setting(None, "`none` asks as a base model, through /completions.", choices=("none",))
    rank_by: str = setting("echo", "How choices are scored.", choices=("echo", "prompt_logprobs", "generate"))


@dataclass(frozen=True, kw_only=True)
class EndpointOptions(CompletionsOptions, ApiOptions):
    """The same for a server that can also be asked as a base model."""

    batch_api: bool = setting(False, "Hand requests in as batches: half the price, within a day.", switch=True)
    batch_notes: Path = setting(Path("runs/.cache/batches"), "Where it is noted what was handed in.")


@dataclass(frozen=True, kw_only=True)
class EngineOptions(CompletionsOptions, AskingOptions):
    """How a server program is started for a model; it is asked as any endpoint is."""

    HEADING: ClassVar[str] = "Started engine"

    engine_args: str | None = setting(None, "Further arguments of the server, as its own help has them.", unit="ARGS")
    engine_python: str | None = setting(
        None, "The Python of an environment that has the server.", short="--vllm-python", unit="PATH"
    )
    tensor_parallel: int = setting(0, "GPUs to split a model over; 0 = as many as there are and fit.", least=0)
    start_timeout: float = setting(900.0, "Seconds that a server may take to load.", least=1)
    context: int = setting(0, "Context length; 0 = the model's own.", least=0)
    dtype: str = setting("auto", "Or float32, float16, bfloat16.", choices=("auto", "float32", "float16", "bfloat16"))


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Where a recorded answer and its question's id stand."""

    HEADING: ClassVar[str] = "Recorded answers"

    answer_key: str | None = setting(None, "Replay: where the answer stands, e.g. a.0.b.")
    id_key: str | None = setting(None, "Replay: where the id stands; `none` goes by the text.")


MODEL_GROUPS = (LocalOptions, EndpointOptions, EngineOptions, ReplayOptions)  # those of the plug-ins that come along


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What is asked. None is the benchmark's own choice."""

    HEADING: ClassVar[str] = "What is asked"

    data: str | None = setting(None, "A folder or file of the benchmark's data, or `sample`.")
    mode: str | None = setting(None, "rank (log-probabilities of choices), write, or letters (first tokens').")
    shots: int | None = setting(None, "Examples before each question.")
    limit: int | None = setting(None, "Ask only so many questions: a seeded, stratified draw.")
    shard: str | None = setting(None, "Only this part of the questions: 3/8; `evalh merge` joins the parts.")
    subjects: str | None = setting(None, "Ask only these groups, separated by commas.")
    items: Path | None = setting(None, "Ask only these: a file of `evalh compare --save-flips`.")
    seed: int = setting(0, "Decides every draw.")
    wording: tuple[str, ...] = setting((), "Ask in these words, or `own`. Repeatable.", repeatable=True, unit="FILE")
    skip_unanswered: bool = setting(False, "Leave out questions without an answer, and say so.")
    holistic: bool = setting(False, "Also HELM's view: calibration, robustness, fairness, efficiency.", switch=True)
    allow_outside: bool = setting(False, "Files may name others outside their own folder.")
    include_path: tuple[str, ...] = setting(
        (), "A folder of lm-evaluation-harness's task files. Repeatable.", repeatable=True, unit="FOLDER"
    )
    fewshot_as_multiturn: bool = setting(True, "Examples of lm_eval tasks are turns of a chat, not in one user turn.")
    trust_task_code: bool = setting(False, "Run the Python of task files here, with all your rights, in no sandbox.")


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """Fewer questions, drawn by what earlier runs of other models leave open; the headline is estimated for all."""

    HEADING: ClassVar[str] = "Fewer questions"

    budget_items: int | None = setting(None, "Ask only so many questions, drawn by earlier runs (--using).", least=1)
    using: tuple[str, ...] = setting((), "Another model's run, or 'runs/*'. Repeatable.", repeatable=True, unit="RUN")


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How answers are drawn. None is the benchmark's own choice."""

    HEADING: ClassVar[str] = "Sampling"

    repeats: int | None = setting(None, "Answers per question (pass@k); a replay has its own number.", flag="--samples")
    seeds: str | None = setting(None, "One answer per question with each of these seeds, e.g. 1,2,3.")
    temperature: float | None = setting(None, "0 = greedy, the default of nearly all benchmarks.")
    top_p: float | None = setting(None, "Nucleus sampling.")
    max_tokens: int | None = setting(None, "Longest answer, in tokens.")


@dataclass(frozen=True, kw_only=True)
class JudgingOptions:
    """Who judges the answers of a run once they are there."""

    HEADING: ClassVar[str] = "Judge"

    judge: str | None = setting(None, "Then judge: MODEL, JUDGE=MODEL or panel=...", short="-j")
    judge_against: str | None = setting(None, "`reference`, or a run to compare with.")
    judge_template: str | None = setting(None, "published[=PATH]: the prompt of the benchmark's authors.")
    judge_base_url: str | None = setting(None, "Address of the judge's server.")
    judge_price_in: float | None = setting(None, "US dollars per million prompt tokens of the judge.")
    judge_price_out: float | None = setting(None, "US dollars per million reply tokens of the judge.")
    order: str | None = setting(None, "Order of a judged pair: both, or seeded by the item.")


@dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """What a command may use up, shared by its models. What was asked until then is a seeded random part of the
    questions."""

    HEADING: ClassVar[str] = "Budget"

    max_cost: float | None = setting(
        None, "US dollars that answers and verdicts may cost together; then the run ends with what is there.", least=0
    )
    max_tokens_total: int | None = setting(None, "Tokens that the model may read and write.", least=1)
    max_minutes: float | None = setting(None, "Minutes that this start may ask for.", least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a benchmark's scorer gets: where programs that a model wrote run, and how they are checked."""

    HEADING: ClassVar[str] = "Sandbox"

    sandbox: str = setting("auto", "Where programs run: auto, namespace, landlock, docker, podman, ...")
    sandbox_packages: tuple[str, ...] = setting((), "What programs may import: numpy,pandas or VENV:numpy.")
    yes_run_untrusted_code: bool = setting(False, "Needed for --sandbox none.")
    check: str = setting("both", "How programs are checked: both, split or inproc.")
    workers: int = setting(0, "Programs at a time; 0 = one per core.", least=0)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """What a run is compared with at its end."""

    HEADING: ClassVar[str] = "Comparison"

    against: str | None = setting(None, "Compare with this run or baseline at the end.")
    sequential: bool = setting(False, "Stop asking when the verdict is clear.", switch=True)
    margin: tuple[str, ...] = setting((), "For --against: 0.02, or BENCHMARK=0.01. Repeatable.", repeatable=True)


@dataclass(frozen=True, kw_only=True)
class ForgettingOptions:
    """What two models are asked to learn what the second one forgot, and for how long."""

    HEADING: ClassVar[str] = "What is asked"

    data: tuple[str, ...] = setting(
        (), "A folder or file of data, `sample`, or NAME=FOLDER for one benchmark. Repeatable.", repeatable=True
    )
    limit: int | None = setting(None, "Ask at most so many questions of each: a seeded, stratified draw.")
    seed: int = setting(0, "Decides every draw and the order of asking.")
    budget: str = setting("10m", "Time for asking both models: 10m, 90s, 1h30m.", unit="DURATION")


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Which reports of a comparison are written, and how."""

    HEADING: ClassVar[str] = "Reports"

    report: Path | None = setting(None, "Folder for index.html, report.json, comment.md, junit.xml, report.sarif.")
    html: Path | None = setting(None, "Write the page here.")
    markdown: Path | None = setting(None, "Write the pull-request comment here.")
    junit: Path | None = setting(None, "Write JUnit XML here.")
    sarif: Path | None = setting(None, "Write SARIF here.")
    plain: bool = setting(False, "Markdown for readers that know no HTML.", switch=True)
    junit_items: bool = setting(False, "In JUnit a case for each item that broke, too.", switch=True)
    key: str = setting("default", "Which of several sticky comments this is.")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where a run is kept and how it is told."""

    HEADING: ClassVar[str] = "Output"

    name: str | None = setting(None, "Name of the run's folder; made from what is run otherwise.")
    runs: Path = setting(Path("runs"), "Folder that holds the runs.")
    log_to: tuple[str, ...] = setting((), "Also send figures to these: mlflow, wandb, ...", unit="TRACKERS")
    no_cache: bool = setting(False, "Neither look up nor keep paid answers.", switch=True)
    as_json: bool = setting(False, "Print one JSON object, nothing else.", flag="--json", switch=True)


def package_names(words: str) -> tuple[str, ...]:
    """What `--sandbox-packages` names, from its comma-separated text."""
    return tuple(word.strip() for word in words.split(",") if word.strip())


def is_distribution(name: object) -> bool:
    """Whether `--sandbox-packages` names a distribution alone, without the path of an environment."""
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) is not None


def values(*groups: Any) -> dict[str, Any]:
    """The fields of several groups by name; a later group's come first where two have one of the same name."""
    return {each.name: getattr(group, each.name) for group in groups for each in fields(group) if each.init}


@cache
def hints(kind: type) -> Mapping[str, Any]:
    """The annotations of a group's fields, as types."""
    return get_type_hints(kind)


def bare(hint: Any) -> Any:
    """An annotation without its `| None`."""
    if get_origin(hint) in (Union, types.UnionType):
        left = [each for each in get_args(hint) if each is not types.NoneType]
        return left[0] if len(left) == 1 else Any
    return hint


def build_options(kind: type[Made], given: Mapping[str, object], owner: str) -> Made:
    """A group of which these fields were given; text is read as its field's type. UserError, naming the field, for one
    that is missing, or a value that makes no sense."""
    made = {name: read(kind, name, value) for name, value in given.items()}
    for each in fields(kind):  # type: ignore[arg-type]
        if each.init and each.name not in made and each.default is MISSING and each.default_factory is MISSING:
            raise UserError(f"{owner} wants the option {each.name}")
    try:
        return kind(**made)
    except (TypeError, ValueError) as error:  # what a third party's own check says
        raise UserError(f"{owner}: {error}") from error


def hold_to_bounds(group: Any) -> None:
    """UserError, naming the field, where a number of a group is below what its field says at least."""
    for each in fields(group):
        if "least" in each.metadata:
            read(type(group), each.name, getattr(group, each.name))


def taken(kind: type | None) -> str:
    """What a group takes, in words."""
    names = [each.name for each in fields(kind) if each.init] if kind is not None else []
    return f"it takes {', '.join(names)}" if names else "it takes none"


def _named(kind: type, name: str) -> str:
    """A field in a message: a flag only where it is one of those that come along."""
    return option_name(name) if kind.__module__.partition(".")[0] == "evalharness" else f"the option {name}"


def read(kind: type, name: str, value: object) -> object:
    """A value as the type of a group's field, within its bounds. UserError, naming the field, where it is not."""
    each = {each.name: each for each in fields(kind)}[name]
    hint = hints(kind)[name]
    if value is None and bare(hint) is not hint:
        return None
    inner = bare(hint)
    choices = get_args(inner) if get_origin(inner) is Literal else each.metadata.get("choices", ())
    wanted = _one_of(choices) if choices else each.metadata.get("wanted") or _words(inner, each.metadata.get("least"))
    try:
        found = _typed(inner, value)
    except (TypeError, ValueError):
        raise UserError(f"{_named(kind, name)} wants {wanted}; there is {value!r:.80}") from None
    least, form = each.metadata.get("least"), each.metadata.get("form")
    outside = isinstance(found, int | float) and least is not None and not (found >= least and math.isfinite(found))
    misformed = form is not None and not re.fullmatch(form, str(found))
    if outside or misformed or (choices and found not in choices):
        near = nearest(str(found), choices) if choices else ""
        raise UserError(f"{_named(kind, name)} wants {wanted}{near}; there is {value!r:.80}")
    return found


def _one_of(choices: Sequence[object]) -> str:
    *before, last = map(str, choices)
    return f"{', '.join(before)} or {last}" if before else last


def _words(hint: Any, least: float | None) -> str:
    name = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
    return name.get(hint, "several words") + ("" if least is None else f", {least} or more")


_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


def _typed(hint: Any, value: object) -> object:
    """The value, read where it is text and no text is wanted. TypeError or ValueError where it is of another type."""
    if get_origin(hint) is tuple:
        words = package_names(value) if isinstance(value, str) else value
        if not isinstance(words, list | tuple):
            raise TypeError
        return tuple(_typed(get_args(hint)[0], word) for word in words)
    if hint is bool and isinstance(value, str) and value.lower() in (*_TRUE, *_FALSE):
        return value.lower() in _TRUE
    readers: dict[Any, tuple[tuple[type, ...], Callable[[Any], object]]] = {
        bool: ((bool,), bool),
        int: ((int, str), int),
        float: ((int, float, str), float),
        str: ((str,), str),
        Path: ((str, Path), Path),
    }
    if hint not in readers:
        return value
    kinds, read = readers[hint]
    if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool):
        raise TypeError
    return read(value)
