"""What a model plug-in takes, what it is given, and what is refused by name; how messages name an option."""

import importlib
import io
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from evalharness import options, plugins
from evalharness.clients.pacing import RateCaps
from evalharness.errors import UserError, flags_in_messages, option_name
from evalharness.options import EndpointOptions, LocalOptions, build_options

ACME = """
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

@dataclass(frozen=True)
class Options:
    key: str
    colour: Literal["red", "blue"] = "red"
    depth: int | None = None
    warm: bool = False
    share: float = 0.5
    folders: tuple[str, ...] = ()
    place: Path = Path(".")

    def __post_init__(self):
        if self.key == "none":
            raise ValueError("the key opens nothing")

class Model:
    def __init__(self, options):
        self.options = options

def open_model(argument, options):
    return Model(options)
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """Writes a model plug-in beside those that come along."""
    monkeypatch.syspath_prepend(tmp_path)
    known, found = dict(plugins.modules("models")), plugins.modules
    monkeypatch.setattr(plugins, "modules", lambda kind: known if kind == "models" else found(kind))

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        known[name] = name

    return write


def refused(spec, given):
    with pytest.raises(UserError) as raised:
        plugins.load_model(spec, given)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        ("echo", {"device": "cpu"}, "echo takes no option device; local and tiny take it"),
        ("echo", {"colour": "red"}, "echo takes no option colour; it takes none"),
        ("tiny", {"devise": "cpu"}, "tiny takes no option devise (did you mean device?); it takes dtype, device"),
        ("tiny", {"base_url": "http://x"}, "tiny takes no option base_url; anthropic, gemini and openai take it"),
        (
            "replay:x",
            {"concurrency": 3},
            "replay takes no option concurrency; anthropic, gemini, llamacpp, openai, sglang and vllm take it",
        ),
        ("tiny", {"device": "toaster"}, "device wants cpu, cuda, cuda:1, mps or auto; there is 'toaster'"),
        (
            "tiny",
            {"dtype": "float23"},
            "dtype wants float32, bfloat16 or auto (did you mean float32?); there is 'float2",
        ),
        ("tiny", {"threads": -1}, "threads wants a whole number, 0 or more; there is -1"),
        ("tiny", {"threads": "many"}, "threads wants a whole number, 0 or more; there is 'many'"),
        ("tiny", {"threads": True}, "threads wants a whole number"),
        ("tiny", {"threads": None}, "threads wants a whole number"),
        ("tiny", {"template": 5}, "template wants a text; there is 5"),
        ("openai:m", {"concurrency": 0}, "concurrency wants a whole number, 1 or more; there is 0"),
        ("openai:m", {"price_in": float("nan")}, "price_in wants a number, 0 or more"),
        ("openai:m", {"template": "alpaca"}, "template wants none; there is 'alpaca'"),
        ("echo", LocalOptions(), "echo takes no options; there is LocalOptions"),
        ("openai:m", LocalOptions(), "openai takes EndpointOptions; there is LocalOptions"),
        ("tiny", LocalOptions(threads=-1), "threads wants a whole number, 0 or more"),
        ("echo", 3, "echo takes no options; there is int"),
    ],
)
def test_an_option_that_a_model_does_not_take_is_refused_by_name(spec, given, said):
    assert said in refused(spec, given)


def test_a_plug_in_gets_its_own_options(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert plugins.load_model("openai:m", {"concurrency": "3"}).workers == 3
    assert plugins.load_model("openai:m", EndpointOptions(concurrency=4)).workers == 4
    assert plugins.load_model("echo").name == plugins.load_model("echo", {}).name == "echo"


@pytest.mark.parametrize("spec", ["openai:m", "anthropic:m", "gemini:m"])
def test_how_fast_an_endpoint_is_asked(spec):
    at = {"base_url": "http://127.0.0.1:1/v1"}
    usual = plugins.load_model(spec, at)
    assert (usual.start, usual.workers, usual.pace.limit, usual.caps, usual.retry.deadline) == (
        16, 128, 16, RateCaps(), 600.0,
    )  # fmt: skip
    said = plugins.load_model(spec, {**at, "concurrency": 64, "rpm": 600, "tpm": "90000", "request_timeout": 1.5})
    assert (said.start, said.workers, said.pace.limit) == (None, 64, 64)
    assert (said.caps, said.retry.deadline) == (RateCaps(rpm=600, tpm=90000), 1.5)
    assert said.fingerprint == usual.fingerprint, "none of it decides an answer"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rpm": 0}, "rpm wants a whole number, 1 or more; there is 0"),
        ({"tpm": -5}, "tpm wants a whole number, 1 or more; there is -5"),
        ({"rpm": "fast"}, "rpm wants a whole number, 1 or more; there is 'fast'"),
        ({"request_timeout": 0}, "request_timeout wants a number, 0.1 or more; there is 0"),
        ({"request_timeout": float("inf")}, "request_timeout wants a number"),
    ],
)
def test_a_pace_that_is_none(given, said):
    assert said in refused("openai:m", given)


def test_a_third_party_s_options_are_typed_by_its_dataclass(acme):
    acme("acme_model", ACME)
    given = {
        "key": "k",
        "colour": "blue",
        "depth": "3",
        "warm": "yes",
        "share": "0.25",
        "folders": "a, b",
        "place": "x",
    }
    made = plugins.load_model("acme_model:x", given).options
    assert (made.key, made.colour, made.depth, made.warm) == ("k", "blue", 3, True)
    assert (made.share, made.folders, str(made.place)) == (0.25, ("a", "b"), "x")
    assert "acme_model wants the option key" in refused("acme_model", {})
    assert "the option colour wants red or blue; there is 'pink'" in refused(
        "acme_model", {"key": "", "colour": "pink"}
    )
    assert "the option warm wants true or false" in refused("acme_model", {"key": "", "warm": "perhaps"})
    assert "acme_model: the key opens nothing" in refused("acme_model", {"key": "none"})
    assert "acme_model takes no option dephth (did you mean depth?)" in refused("acme_model", {"dephth": 3})


def test_on_the_flags_in_messages_any_option_is_given_by_name(acme, evalh):
    acme("acme_model", ACME)
    words = ("run", "mmlu", "--data", "sample", "--model")
    for given, said in (
        (("acme_model", "--model-option", "dephth=3"), "takes no option dephth (did you mean depth?)"),
        (
            ("acme_model", "--model-option", "key=k", "--model-option", "depth=x"),
            "the option depth wants a whole number",
        ),
        (("acme_model", "--device", "cpu"), "acme_model takes no option device; local and tiny take it"),
        (("tiny", "--model-option", "device"), "--model-option wants NAME=VALUE; there is 'device'"),
        (("tiny", "--model-option", "threads=many"), "--threads wants a whole number, 0 or more; there is 'many'"),
        (("tiny", "--threads", "1", "--model-option", "threads=2"), "threads is said twice"),
        (("echo", "--price-in", "1"), "echo takes no option price_in; anthropic, gemini and openai take it"),
        (("echo", "--concurrency", "16"), "echo takes no option concurrency"),  # typed, if only its default
    ):
        found = evalh(*words, *given)
        assert found.code == 2 and said in found.err and found.err.count("\n") == 1, found.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "the plug-in acme_bare defines no model: wanted `open_model`"),
        ("Options = 3\ndef open_model(a, o): ...", "the plug-in acme_bare: its `Options` is no dataclass"),
        (
            "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Options:\n"
            "    depth: Nowhere = 1\ndef open_model(a, o): ...",
            "the plug-in acme_bare: its `Options` cannot be read: name 'Nowhere' is not defined",
        ),
    ],
)
def test_a_broken_model_plug_in_is_one_line_and_does_not_hide_the_others(acme, evalh, text, said):
    acme("acme_bare", text)
    found = evalh("run", "mmlu", "--data", "sample", "--model", "acme_bare", "--model-option", "depth=2")
    assert found.code == 2 and (said in found.err or "takes no option depth" in found.err)
    assert said in refused("acme_bare", {"depth": 2} if "Nowhere" in text else None)
    assert "local and tiny take it" in refused("echo", {"device": "cpu"})


def test_an_option_is_named_as_a_program_or_a_flags_in_messages_knows_it(evalh):
    assert (option_name("max_tokens"), option_name("mode", "write")) == ("max_tokens", "mode=write")
    with flags_in_messages(True):
        assert (option_name("max_tokens"), option_name("mode", "write")) == ("--max-tokens", "--mode write")
        assert option_name("repeats") == "--samples"
    from evalharness.runs.plan import Plan

    with pytest.raises(UserError, match=r"^limit wants a number of questions, 1 or more; there is 0$"):
        Plan(benchmarks=("mmlu",), limit=0).check()
    assert evalh("run", "mmlu", "--limit", 0).err.startswith("evalh: --limit wants a number of questions")
    assert option_name("limit") == "limit"


def test_bounds_are_those_of_the_field():
    @dataclass(frozen=True)
    class Own:
        share: float = options.setting(0.5, "A share.", least=0)

    assert build_options(Own, {"share": "1"}, "own").share == 1.0
    for value in (-1, "inf", "nan", "x", None, [1]):
        with pytest.raises(UserError, match="share wants a number, 0 or more"):
            build_options(Own, {"share": value}, "own")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--order", "both"), "--order does nothing without --judge"),
        (("--judge-base-url", "http://x"), "--judge-base-url does nothing without --judge"),
        (("--margin", "0.1"), "--margin does nothing without --against"),
        (
            ("--beta", "0.1"),
            "--beta does nothing with --loss sft; leave it out, or say --loss dpo or orpo or simpo or kto",
        ),
        (("--gamma", "0"), "--gamma does nothing with --loss sft; leave it out, or say --loss simpo"),
        (("--loss", "dpo", "--gamma", "1"), "--gamma does nothing with --loss dpo; leave it out, or say --loss simpo"),
        (
            ("--loss", "kto", "--dpo-average"),
            "--dpo-average does nothing with --loss kto; leave it out, or say --loss dpo",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(evalh, words, said):
    command = ("run", "mmlu", "--data", "sample", "--model", "echo") if "with --loss" not in said else ("finetune", "x")
    found = evalh(*command, *words)
    assert (found.code, found.err) == (2, f"evalh: {said}\n")


def _rows(page: str) -> dict[str, set[str]]:
    """The rows of python-api's table of options: of each plug-in what it takes; "those" are the row before."""
    found: dict[str, set[str]] = {}
    before: set[str] = set()
    table = page.partition("| models | options |")[2].partition("\n\n")[0]
    for row in table.strip().splitlines()[1:]:
        models, taken = (set(re.findall(r"`(\w+)`", cell)) for cell in row.strip("|").split(" | "))
        before = taken | (before if "those" in row else set())
        found |= dict.fromkeys(models, before)
    return found


def test_the_pages_know_every_option_of_a_model_and_no_other():
    docs = Path(__file__).resolve().parents[1] / "docs"
    rows = _rows((docs / "python-api.md").read_text(encoding="utf-8"))
    takes = {}
    for name, module in plugins.modules("models").items():
        kind = getattr(importlib.import_module(module), "Options", None)
        if kind is not None:
            takes[name] = {each.name for each in fields(kind)}
    assert rows == takes
    page = (docs / "endpoints.md").read_text(encoding="utf-8")
    flags = {f"--{name.replace('_', '-')}" for name in takes["openai"] | takes["vllm"]}
    assert {flag for flag in flags if not re.search(rf"{flag}\b(?!-)", page)} == set()


def test_help_has_headings_and_examples(evalh):
    found = evalh("run", "--help")
    for heading in ("What is asked:", "Sampling:", "Local model:", "Endpoint:", "Judge:", "Sandbox:", "Examples:"):
        assert f"\n{heading}\n" in found.out
    assert "\n  evalh run mmlu --model local:DIR" in found.out
    assert "\nAdapters:\n" in evalh("finetune", "--help").out


def test_the_documented_plug_in_works(acme, evalh):
    page = (Path(__file__).resolve().parents[1] / "docs" / "write-a-benchmark.md").read_text(encoding="utf-8")
    acme("parrot", re.search(r"`parrot\.py`:\n\n```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1])
    words = ("run", "mmlu", "--data", "sample", "--model", "parrot")
    assert evalh(*words, "--model-option", "word=B", "--json").json["benchmarks"]["mmlu@sample"]["n"] == 65
    assert "the option times wants a whole number, 1 or more" in evalh(*words, "--model-option", "times=0").err
    suite = "models:\n  - model: parrot\n    options:\n      wrod: B\nbenchmarks: [mmlu]\n"
    Path("suite.yaml").write_text(suite)
    assert (
        "suite.yaml:4: models.0.options.wrod: parrot takes no option wrod (did you mean word?)"
        in evalh("run", "suite.yaml").err
    )
    Path("suite.yaml").write_text(suite.replace("wrod", "word") + "options: {data: sample, limit: 5}\n")
    assert evalh("run", "suite.yaml").code == 0


def test_a_suite_s_model_options_are_held_to_the_plug_in(evalh):
    suite = "models:\n  - model: echo\n    device: cpu\nbenchmarks: [mmlu]\noptions: {data: sample}\n"
    Path("suite.yaml").write_text(suite)
    said = evalh("run", "suite.yaml")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "suite.yaml:3: models.0.device: echo takes no option device; local and tiny take it" in said.err
    Path("suite.yaml").write_text(suite.replace("echo", "tiny").replace("cpu", "toaster"))
    assert "suite.yaml:3: models.0.device: device wants cpu, cuda" in evalh("run", "suite.yaml").err
    Path("suite.yaml").write_text(suite.replace("    device: cpu\n", ""))
    assert "give the file alone, without --limit" in evalh("run", "suite.yaml", "--limit", 3).err


def test_what_a_command_calls_its_own_is_no_option_of_the_model(evalh, monkeypatch):
    """`--system` of chat is the first message; an endpoint's option of that name would say it twice."""
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    said = evalh("chat", "echo", "--system", "Be brief")
    assert (said.code, said.err) == (0, "") and "hello" in said.out
