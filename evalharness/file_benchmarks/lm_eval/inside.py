"""What runs a task's own Python: in a fenced process of the sandbox, whose text this file is, or in this one where the
user trusts the code. Messages of plain JSON in and out; nothing of ours is imported.

A function is found as lm-evaluation-harness finds it (lm_eval/tasks/_yaml_loader.py, version 0.4.13): in the file
beside the YAML file, else in an importable module.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import random
import sys
import traceback
from pathlib import Path
from typing import Any

SHOWN = "evalh_tasks"  # the name of the tasks' folder beside the packages
_SAID = 300
_DEEPEST = 60


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """What a message asks for, or under `error` what the task's code raised, with the line that it stands on."""
    try:
        return {"value": plain(_ACTS[message.pop("do")](**message))}
    except BaseException as error:  # the code is foreign: sys.exit() is an error as any other
        return {"error": _said(error), "line": _line(error)}


def _said(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())[:_SAID]
    except BaseException:  # the exception's own text may raise
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(error: BaseException) -> str:
    """FILE:LINE of the innermost line of the tasks' own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f"{Path(one.filename).name}:{one.lineno}" for one in frames if one.filename in _files]
    return own[-1] if own else ""


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON has it: arrays and their scalars as Python's own, sets and tuples as lists, anything else as
    its text, which is what a template would show of it."""
    if value is None or type(value) in (str, bool, int, float):
        return value
    if depth > _DEEPEST:
        raise ValueError("a value is nested too deep")
    if isinstance(value, dict):
        return {str(key): plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one, depth + 1) for one in value]
    if hasattr(value, "tolist"):  # of numpy
        return plain(value.tolist(), depth + 1)
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


_modules: dict[str, Any] = {}  # by file
_files: set[str] = set()
_tasks: dict[str, Any] = {}  # objects of tasks' classes, by what they are made of


def _function(named: dict[str, Any]) -> Any:
    """`named`: the file's folder, the dotted module, the name in it, and what the module is to call itself; of a task's
    class also which part of its object, and what the object is made with."""
    folder = Path(named["folder"])
    if not folder.is_absolute():
        folder = next((Path(path) / folder for path in sys.path if (Path(path) / folder).is_dir()), folder)
    file = folder / (named["module"].replace(".", "/") + ".py")
    if file.is_file():
        module = _loaded(str(file), named["called"])
    else:
        module = importlib.import_module(named["module"])
    found = getattr(module, named["name"])
    return _class_parts().part(_task(found, named), named["part"]) if "part" in named else found


def _beside(name: str) -> Any:
    """A module beside this text, in the fenced process as here."""
    return sys.modules.get(f"evalh_{name}") or importlib.import_module(f"evalharness.file_benchmarks.lm_eval.{name}")


def _class_parts() -> Any:
    """What takes a task's class apart."""
    return _beside("inside_class")


def _task(kind: Any, named: dict[str, Any]) -> Any:
    """The object of a task's class, made once."""
    key = repr(named | {"part": ""})
    if key not in _tasks:
        settings = {
            name: _function(one["!function"]) if isinstance(one, dict) and set(one) == {"!function"} else one
            for name, one in named["settings"].items()
        }
        _tasks[key] = _class_parts().task_object(kind, settings)
    return _tasks[key]


def _described(function: dict[str, Any]) -> Any:
    """What a task file would say of a task that is a class."""
    return _class_parts().described(_function({**function, "part": "self"}))


def _loaded(file: str, called: str) -> Any:
    if file not in _modules:
        spec = importlib.util.spec_from_file_location(called, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is no module")
        module = importlib.util.module_from_spec(spec)
        _files.add(file)
        before = sys.modules.get(called)
        sys.modules[called] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(called, None)
            if before is not None:
                sys.modules[called] = before
            raise
        _modules[file] = module
    return _modules[file]


def _prepare(rows: list[Any], process: dict[str, str] | None, made: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """The documents of a split, and what the functions of `made` give for each. What the code draws at random is the
    same in every process, whatever was asked of it before."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(1234)
    docs = rows if process is None else _documents(_function(process)(_dataset(rows)))
    functions = {key: _function(named) for key, named in made.items()}
    return [{"doc": doc, "made": {key: made_by(doc) for key, made_by in functions.items()}} for doc in docs]


def _documents(found: Any) -> list[Any]:
    return [dict(one) if not isinstance(one, dict) else one for one in found]


def _dataset(rows: list[Any]) -> Any:
    import datasets

    return datasets.Dataset.from_list(rows)


def _without_processes() -> None:
    """`num_proc` would start processes, which the fence refuses and few rows do not need."""
    import datasets

    def alone(method: Any) -> Any:
        def called(*args: Any, **keywords: Any) -> Any:
            keywords.pop("num_proc", None)
            return method(*args, **keywords)

        return called

    datasets.disable_progress_bars()
    for name in ("map", "filter"):
        setattr(datasets.Dataset, name, alone(getattr(datasets.Dataset, name)))


class OfflineMetric:
    """What `evaluate.load` would fetch from the hub, for the metrics that need no model (the package `evaluate` itself
    has none of them)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, predictions: Any = None, references: Any = None, **options: Any) -> Any:
        """The figure of the predictions, under the hub's name for it."""
        return _MEASURES[self.name](predictions, references, **options)


def _rouge(said: list[str], right: list[Any], **options: Any) -> dict[str, Any]:
    from rouge_score import rouge_scorer

    kinds = options.get("rouge_types") or ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorer = rouge_scorer.RougeScorer(kinds, use_stemmer=options.get("use_stemmer", False))
    found = [
        (scorer.score_multi if isinstance(one, list) else scorer.score)(one, text)
        for one, text in zip(right, said, strict=True)
    ]
    each = {kind: [one[kind].fmeasure for one in found] for kind in kinds}
    whole = options.get("use_aggregator", True)
    return {kind: sum(values) / max(1, len(values)) if whole else values for kind, values in each.items()}


def _bleu(said: list[str], right: list[Any], *, smooth: bool = False, **_: Any) -> dict[str, float]:
    import sacrebleu

    streams = list(zip(*(one if isinstance(one, list) else [one] for one in right), strict=False))
    method = "add-k" if smooth else "none"
    return {"bleu": sacrebleu.corpus_bleu(said, streams, smooth_method=method).score / 100}


def _exact(said: list[Any], right: list[Any], **_: Any) -> dict[str, float]:
    return {"exact_match": sum(a == b for a, b in zip(said, right, strict=True)) / max(1, len(said))}


def _accuracy(said: list[Any], right: list[Any], **_: Any) -> dict[str, float]:
    return {"accuracy": _exact(said, right)["exact_match"]}


def _programs(said: list[list[str]], right: list[str], k: Any = (1,), **_: Any) -> tuple[dict[str, float], Any]:
    """Which programs pass their tests, run by the harness in processes of their own, and pass@k of that."""
    from math import comb

    asked = [
        {"source": program, "test": test} for programs, test in zip(said, right, strict=True) for program in programs
    ]
    passed = iter(_ask({"ask": "programs", "programs": asked}))
    found = [[bool(next(passed)) for _ in programs] for programs in said]
    shares = {
        f"pass@{n}": [1 - comb(len(one) - sum(one), n) / comb(len(one), n) for one in found if len(one) >= n]
        for n in ([k] if isinstance(k, int) else k)
    }
    results = {place: [(i, {"passed": ok}) for i, ok in enumerate(one)] for place, one in enumerate(found)}
    return {name: sum(values) / len(values) for name, values in shares.items() if values}, results


_MEASURES: dict[str, Any] = {
    "rouge": _rouge, "bleu": _bleu, "exact_match": _exact, "accuracy": _accuracy, "code_eval": _programs,
    "squad_v2": lambda said, right, **options: _beside("inside_squad").squad_v2(said, right, **options),
}  # fmt: skip


def _without_network() -> None:
    """Metrics that are fetched when they are asked for are made here."""
    evaluate: Any = importlib.import_module("evaluate")

    def load(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name in _MEASURES:
            return OfflineMetric(name)
        raise OSError(f"the metric {name} of the package evaluate is fetched from the hub, and there is no network")

    evaluate.load = load


_channel = -1


def _ask(message: dict[str, Any]) -> Any:
    """What the harness says to something that only it can do."""
    if _channel < 0:
        raise OSError("programs are run in the sandbox alone")
    _send(message)
    from evalharness.sandbox import wire

    return wire.receive(_channel, 1 << 30)["said"]


def _send(message: dict[str, Any]) -> None:
    import json

    from evalharness.sandbox import wire

    body = json.dumps(message).encode("ascii")
    wire.write_fd(_channel, len(body).to_bytes(4, "little") + body)


def _splits(function: dict[str, str], keywords: dict[str, Any]) -> dict[str, Any]:
    """The rows of each split of a data set that a function makes."""
    return {str(name): list(rows) for name, rows in _function(function)(**keywords).items()}


def _call(function: dict[str, str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
    return _function(function)(*arguments, **keywords)


def _results(function: dict[str, str], doc: Any, written: list[Any], ranked: list[Any]) -> Any:
    """`process_results`: what was written, then of log-likelihoods pairs."""
    return _function(function)(doc, [*written, *map(tuple, ranked)])


def _measure(function: dict[str, str], gold: Any, result: Any, keywords: dict[str, Any]) -> Any:
    """A metric of one answer, called in the two ways that there are."""
    metric = _function(function)
    try:
        return metric(references=[gold], predictions=[result], **keywords)
    except TypeError:
        return metric([gold, result])


def _filtered(function: dict[str, str], options: dict[str, Any], answers: list[Any], doc: Any) -> Any:
    """What a filter leaves of the answers to one document: a class is made with its options, a function is called."""
    kind = _function(function)
    found = kind(**options).apply([answers], [doc]) if isinstance(kind, type) else kind([answers], [doc])
    return next(iter(found))


def _aggregated(function: dict[str, str], items: list[Any], draws: int) -> list[Any]:
    """A figure over all items, and over `draws` samples of them with replacement. A sample that it fails on is left
    out: a draw may hold one class only."""
    aggregate, chance = _function(function), random.Random(0)
    pairs = [tuple(one) if isinstance(one, list) else one for one in items]
    found = [aggregate(list(pairs))]
    for _ in range(draws):
        with contextlib.suppress(Exception):
            found.append(aggregate(chance.choices(pairs, k=len(pairs))))
    return found


def _names(functions: list[dict[str, str]]) -> list[str]:
    """The functions' own names, which metrics are called by; raises where one is not there."""
    return [str(getattr(_function(named), "__name__", named["name"])) for named in functions]


_ACTS: dict[str, Any] = {
    "prepare": _prepare, "splits": _splits, "call": _call, "results": _results, "measure": _measure,
    "filter": _filtered, "aggregate": _aggregated, "names": _names, "class": _described,
}  # fmt: skip


def serve_task_code(channel: int) -> None:
    """Answer messages on a descriptor for ever. Of the sandbox's own modules only the frames are used."""
    global _channel
    from evalharness.sandbox import wire

    _channel = channel
    for change in (_without_processes, _without_network):
        with contextlib.suppress(ImportError):
            change()
    while True:
        _send(answer(wire.receive(channel, 1 << 30)))
