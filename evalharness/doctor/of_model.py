"""A model examined: asked a few short questions, and held to its own answers.

What an endpoint says is not believed because it says 200: each check compares what came back with what was asked.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness import plugins
from evalharness.doctor.asking import TimeIsUpError, all_answers, given_up_after
from evalharness.doctor.echo import ECHO_CLOSE, FEWEST_ECHOES, SENTENCES, echo_differences
from evalharness.doctor.findings import CheckResult, Examination, FindingVerdict
from evalharness.errors import UserError, option_name
from evalharness.events import observed_by
from evalharness.model import Model, Previews, Priced, Probed, Remote, Started
from evalharness.records import Message, Request, Response

NO_MODEL = "evalh-doctor-asks-for-no-such-model"
TIMES = 5  # a greedy answer is asked for
LONGEST_PROBE = 32768  # tokens: a longer context is not tried out, it would cost too much
MINUTES = 3.0  # of an examination
_SHARE = 1 / 3  # of these, for one check: a slow one leaves room for others
SCHEMA = {
    "type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"],
    "additionalProperties": False,
}  # fmt: skip


@dataclass
class _Patient:
    """The model under examination, what its answers took, and when the check that is made of it is to end. `ours`: its
    server was started for this, so it costs nothing and is what was said."""

    model: Model
    ours: bool = False
    answers: list[Response] = field(default_factory=list)
    until: float = 0.0  # by the monotonic clock

    @property
    def seconds(self) -> float:
        """What is left of the check's time."""
        return max(0.1, self.until - time.monotonic())

    def ask(self, text: str, model: Model | None = None, **more: Any) -> Response:
        """One answer. UserError where nothing can be answered at all, TimeIsUpError where none comes in time."""
        (response,) = all_answers(model or self.model, [_request(text, **more)])
        self.answers.append(response)
        return response


def _request(text: str, **more: Any) -> Request:
    return Request(messages=(Message("user", text),), **{"max_tokens": 16, **more})


def examine_model(spec: str, given: Mapping[str, object] | object = None, minutes: float | None = None) -> Examination:
    """Examine the model PLUGIN[:ARGUMENT], opened with these options, for so many minutes at most (None: MINUTES); what
    they do not suffice for is a finding. UserError where it cannot be opened."""
    model = plugins.load_model(spec, given)
    patient = _Patient(model.opened(), ours=True) if isinstance(model, Started) else _Patient(model)
    minutes = MINUTES if minutes is None else minutes
    end = time.monotonic() + 60 * minutes
    with observed_by(lambda event: None):  # what is refused is a finding, not a warning for each check
        findings = _held("reachable", _reached, patient, 60 * minutes)
        untried = {} if findings[0].verdict == "wrong" else dict(_CHECKS)
        while untried and (left := end - time.monotonic()) > 0:
            name = next(iter(untried))
            findings += _held(name, untried.pop(name), patient, min(left, 60 * minutes * _SHARE))
    if findings[0].verdict != "wrong":
        findings += [*_speed(patient), *_price(patient)]
    if untried:
        findings.append(_short_of_time("time", f"{60 * minutes:.0f} s are over; not tried: {', '.join(untried)}"))
    return Examination(subject=model.name, findings=findings)


Check = Callable[[_Patient], Iterator[CheckResult]]


def _held(name: str, check: Check, patient: _Patient, seconds: float) -> list[CheckResult]:
    """The findings of one check in so much time; what it cannot find out is a finding too."""
    findings: list[CheckResult] = []
    patient.until = time.monotonic() + seconds
    try:
        with given_up_after(seconds):
            findings.extend(check(patient))
    except TimeIsUpError:
        findings.append(_short_of_time(name, f"no answer within {seconds:.0f} s"))
    except UserError as error:
        findings.append(CheckResult(check=name, verdict="unknown", said=str(error)))
    return findings


def _short_of_time(check: str, said: str, verdict: FindingVerdict = "unknown") -> CheckResult:
    more = f"{option_name('max_minutes')} gives an examination more time"
    return CheckResult(check=check, verdict=verdict, said=said, do=more)


def _reached(patient: _Patient) -> Iterator[CheckResult]:
    try:
        found = patient.ask("Say yes.")
    except TimeIsUpError:
        yield _short_of_time("reachable", "no answer came in time", "wrong")
    except UserError as error:
        yield CheckResult(check="reachable", verdict="wrong", said=str(error))
    else:
        yield _first_answer(found)


def _first_answer(found: Response) -> CheckResult:
    if found.error:
        return CheckResult(check="reachable", verdict="wrong", said=found.error)
    if not found.text.strip() and not found.thinking:
        said = f"it answers, with no text (it ended for {found.finish or 'no reason given'})"
        return CheckResult(
            check="reachable", verdict="look", said=said, do="give --max-tokens more room, or another prompt"
        )
    return CheckResult(check="reachable", verdict="ok", said=f"it answers {found.text.strip()[:40]!r}")


def _named(patient: _Patient) -> Iterator[CheckResult]:
    """A name that nobody has must be refused: what answers to any name may be another model than is meant."""
    model = patient.model
    if not isinstance(model, Probed) or patient.ours:
        return
    served = [str(name) for name in model.describe().get("served", ())]
    shown = f"it says that it serves {', '.join(served)}" if served else "it does not say which model it serves"
    try:
        other = patient.ask("Say yes.", model.anew(NO_MODEL))
    except TimeIsUpError:
        raise
    except UserError:
        yield CheckResult(check="name", verdict="ok", said=f"a name that nobody has is refused; {shown}")
        return
    if other.error:
        yield CheckResult(check="name", verdict="ok", said=f"a name that nobody has is refused; {shown}")
    else:
        yield CheckResult(
            check="name", verdict="look", said=f"it answers to any name; {shown}",
            do="make sure that the server was started with the model that you mean",
        )  # fmt: skip


def _parameters(patient: _Patient) -> Iterator[CheckResult]:
    """Each parameter that a benchmark may want, asked for alone, so that one refusal hides no other."""
    model = patient.model
    if not isinstance(model, Probed):
        return
    taken, refused, without_effect = [], [], []
    untried = [name for name, _, _ in _WANTED]
    for name, more, works in _WANTED:
        fresh = model.anew()
        try:
            found = patient.ask("Count from 1 to 20, separated by commas. Answer as JSON if asked to.", fresh, **more)
        except TimeIsUpError:
            break
        untried.remove(name)
        said = fresh.refused if isinstance(fresh, Probed) else {}
        if found.error:
            refused.append(f"{name} ({found.error[:80]})")
        elif said:
            refused += [f"{parameter} is {done}" for parameter, done in said.items()]
        elif not works(found):
            without_effect.append(name)
        else:
            taken.append(name)
    refused = list(dict.fromkeys(refused))
    if taken:
        yield CheckResult(check="parameters", verdict="ok", said=f"taken: {', '.join(taken)}")
    if refused:
        yield CheckResult(
            check="parameters", verdict="look", said=f"refused: {'; '.join(refused)}",
            do="requests adapt by themselves, and the manifest says so",
        )  # fmt: skip
    if without_effect:
        yield CheckResult(
            check="parameters", verdict="look", said=f"taken without effect: {', '.join(without_effect)}",
            do="do not rely on it",
        )  # fmt: skip
    if untried:
        yield _short_of_time("parameters", f"no answer in time; not tried: {', '.join(untried)}")


def _is_json(found: Response) -> bool:
    try:
        return isinstance(json.loads(found.text), dict)
    except ValueError:
        return False


_WANTED = (
    ("temperature 0 and max_tokens", {"max_tokens": 4}, lambda r: r.tokens_out <= 8 or bool(r.reasoning_tokens)),
    ("temperature, top_p and seed", {"temperature": 0.7, "top_p": 0.9, "seed": 7}, lambda r: True),
    ("stop", {"stop": ("zq", "qz"), "max_tokens": 32}, lambda r: True),
    ("response_format", {"schema": SCHEMA, "max_tokens": 200}, _is_json),
    ("logprobs", {"top_logprobs": 5, "max_tokens": 4}, lambda r: bool(r.top_logprobs)),
)


def _prompt(patient: _Patient) -> Iterator[CheckResult]:
    """Template and BOS, as far as they can be seen: of a model of this machine token by token, else by counting."""
    model = patient.model
    if isinstance(model, Previews) and (shown := model.preview(_request("Say yes."))).ids:
        first, second = (*shown.pieces, "", "")[:2]
        doubled = shown.bos is True and len(shown.ids) > 1 and shown.ids[0] == shown.ids[1]
        said = f"{'a chat template' if model.chat else 'no chat template'}; the prompt begins with {first!r} {second!r}"
        if doubled:
            yield CheckResult(
                check="template and BOS", verdict="wrong", said=f"{said}: the BOS token stands there twice",
                do="the template writes it and the tokenizer adds it: give --template, or mend the tokenizer",
            )  # fmt: skip
        else:
            yield CheckResult(check="template and BOS", verdict="ok", said=said)
        return
    short, long = patient.ask("yes", max_tokens=1), patient.ask("yes yes yes yes yes", max_tokens=1)
    if not short.tokens_in or long.tokens_in <= short.tokens_in:
        yield CheckResult(check="template and BOS", verdict="unknown", said="the endpoint does not count prompt tokens")
        return
    around = short.tokens_in - 1
    kind = "a chat template" if around > 2 else "no chat template" if around < 2 else "a BOS token or a bare template"
    odd = model.chat and around < 2
    yield CheckResult(
        check="template and BOS", verdict="look" if odd else "ok",
        said=f"about {around} tokens stand around a prompt of one word: {kind}",
        do="a chat endpoint without a template asks a base model as if it could chat" if odd else "",
    )  # fmt: skip


def _streaming(patient: _Patient) -> Iterator[CheckResult]:
    """Nothing here streams; a server that cannot is worth knowing of."""
    model = patient.model
    if not isinstance(model, Probed) or not hasattr(model, "path") or "chat/completions" not in str(model.path):
        return
    status, text = model.post_once(_request("Say yes.", max_tokens=4), {"stream": True}, patient.seconds)
    works = status == 200 and text.lstrip().startswith("data:")
    said = "it streams" if works else f"asked to stream it sends {status} and {text[:60]!r}"
    yield CheckResult(
        check="streaming", verdict="ok" if works else "look", said=said, do="" if works else "not needed here"
    )


def _log_probabilities(patient: _Patient) -> Iterator[CheckResult]:
    """Echoed log-probabilities, which ranking rests on, held to those of generated tokens (`doctor.echo`)."""
    model = patient.model
    if not model.ranks or (model.chat and isinstance(model, Remote)):
        found = patient.ask(SENTENCES[0], max_tokens=1, top_logprobs=5)
        first = bool(found.top_logprobs)
        said = "first tokens have log-probabilities" if first else "none are given"
        yield CheckResult(
            check="log-probabilities", verdict="ok" if first else "look", said=f"{said}; a chat endpoint cannot rank",
            do=""
            if model.ranks
            else f"--mode {'letters or ' if first else ''}write; a base model ranks through --template none",
        )  # fmt: skip
        return
    try:
        differences = echo_differences(model)
    except TimeIsUpError:
        raise
    except UserError as error:
        yield CheckResult(check="log-probabilities", verdict="wrong", said=str(error), do="--mode write")
        return
    if len(differences) < FEWEST_ECHOES:
        yield CheckResult(
            check="log-probabilities", verdict="unknown",
            said="too few generated tokens have log-probabilities to hold the echoed ones to",
        )  # fmt: skip
        return
    worst = max(differences)
    same = f"{len(differences)} echoed log-probabilities differ from the generated ones by at most {worst:.4f}"
    yield CheckResult(
        check="log-probabilities", verdict="ok" if worst <= ECHO_CLOSE else "wrong", said=same,
        do="" if worst <= ECHO_CLOSE else "ranked figures would be wrong: --mode write, or another server",
    )  # fmt: skip


_CONTEXT = re.compile(r"(?:context|max_model_len|maximum|up to|at most|limit)\D{0,60}?(\d[\d,]{2,9})", re.IGNORECASE)


def _context(patient: _Patient) -> Iterator[CheckResult]:
    """How long a prompt may be, and whether one that is longer is refused or cut without a word."""
    model = patient.model
    known = model.describe().get("context")
    if not isinstance(model, Probed):
        if isinstance(known, int):
            yield CheckResult(
                check="context", verdict="ok", said=f"{known:,} tokens; longer prompts are cut and counted"
            )
        return
    said = patient.ask("Say yes.", model.anew(), max_tokens=10_000_000, stop=("\n",)).error
    numbers = [int(number.replace(",", "")) for number in _CONTEXT.findall(said)]
    size = next((number for number in numbers if number != 10_000_000), None)
    if size is None:
        yield CheckResult(check="context", verdict="unknown", said="the endpoint does not say how long a prompt may be")
    elif size > LONGEST_PROBE:
        yield CheckResult(check="context", verdict="ok", said=f"{size:,} tokens, as the endpoint says; not tried out")
    else:
        long = patient.ask("a " * (size + size // 4), max_tokens=1)
        cut = not long.error
        yield CheckResult(
            check="context", verdict="look" if cut else "ok",
            said=f"{size:,} tokens; a longer prompt is {'answered: it is cut without a word' if cut else 'refused'}",
            do="keep prompts short: fewer --shots" if cut else "",
        )  # fmt: skip


def _same_again(patient: _Patient) -> Iterator[CheckResult]:
    texts = {patient.ask("Write one sentence about the sea.", max_tokens=48).text for _ in range(TIMES)}
    same = len(texts) == 1
    yield CheckResult(
        check="determinism", verdict="ok" if same else "look",
        said=f"{TIMES} greedy answers are {'the same' if same else f'{len(texts)} different ones'}",
        do="" if same else "`evalh flaky RUN` says how much of a difference that makes",
    )  # fmt: skip


def _speed(patient: _Patient) -> Iterator[CheckResult]:
    written = [r for r in patient.answers if r.tokens_out > 8 and r.seconds > 0]
    if not written:
        yield CheckResult(check="speed", verdict="unknown", said="no answer says how many tokens it has")
        return
    rate = sum(r.tokens_out for r in written) / sum(r.seconds for r in written)
    yield CheckResult(check="speed", verdict="ok", said=f"{rate:,.0f} tokens/s, one request at a time")


def _price(patient: _Patient) -> Iterator[CheckResult]:
    model = patient.model
    if not (isinstance(model, Remote) and model.remote) or patient.ours:
        return
    prices = model.prices if isinstance(model, Priced) else None
    if prices is None:
        yield CheckResult(
            check="price",
            verdict="unknown",
            said="not known",
            do="--price-in and --price-out, for --max-cost and reports",
        )
        return
    spent = sum(r.cost or 0.0 for r in patient.answers)
    listed = model.describe().get("prices")
    source = f" ({listed[2]})" if isinstance(listed, list) else ""
    said = (
        f"${prices[0]:g} and ${prices[1]:g} per million tokens in and out{source}; this examination took ${spent:.4f}"
    )
    yield CheckResult(check="price", verdict="ok", said=said)


# Those that ask, by what their findings are called. What an endpoint may answer at any length comes last.
_CHECKS: Mapping[str, Check] = {
    "name": _named, "parameters": _parameters, "template and BOS": _prompt, "streaming": _streaming,
    "log-probabilities": _log_probabilities, "determinism": _same_again, "context": _context,
}  # fmt: skip
