"""`evalh doctor`: what is right is found right, and each thing that is wrong is found and named."""

import json
import re
import threading

import pytest
from endpoint_profiles import anthropic, gemini, gpt5, llama_cpp_server
from engine_server import TINY, engine_reply
from stub_server import Reply, serve

from evalharness import plugins
from evalharness.doctor.of_model import examine_model
from evalharness.errors import UserError
from evalharness.records import Message, Request

pytestmark = pytest.mark.usefixtures("heavy_http_client")
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in KEYS:
        monkeypatch.setenv(name, "k")


def examined(reply, spec="openai:m", **options):
    """The findings by check, a list for each."""
    with serve(reply) as stub:
        found = examine_model(spec, {"base_url": stub.url, **options})
    by_check = {}
    for one in found.findings:
        by_check.setdefault(one.check, []).append(one)
    return by_check, found.exit_code


def verdicts(found, check):
    return [one.verdict for one in found[check]]


def test_a_truthful_chat_endpoint_has_nothing_wrong():
    found, code = examined(engine_reply(), price_in=1, price_out=2)
    assert code == 0, found
    assert verdicts(found, "name") == ["ok"] and "m" in found["name"][0].said
    assert "temperature, top_p and seed" in found["parameters"][0].said and "logprobs" in found["parameters"][0].said
    assert "taken without effect: response_format" in found["parameters"][1].said
    assert verdicts(found, "streaming") == ["ok"]
    assert "512 tokens; a longer prompt is refused" in found["context"][0].said
    assert verdicts(found, "determinism") == ["ok"] and "tokens/s" in found["speed"][0].said
    assert "a chat template" in found["template and BOS"][0].said
    assert "$1 and $2 per million" in found["price"][0].said


def test_a_truthful_echo_is_found_right():
    found, code = examined(engine_reply(), template="none")
    assert (verdicts(found, "log-probabilities"), code) == (["ok"], 0), found
    assert "by at most 0.00" in found["log-probabilities"][0].said


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [({"shift": 1}, "wrong"), ({"echoes": False}, "wrong"), ({"logprobs": False}, "unknown")],
)
def test_an_echo_that_lies_is_found_out(fault, verdict):
    found, code = examined(engine_reply(**fault), template="none")
    assert verdicts(found, "log-probabilities") == [verdict] and code == (1 if verdict == "wrong" else 0)


def test_prompt_logprobs_are_held_to_generated_ones_too():
    found, code = examined(engine_reply(echoes=False), template="none", rank_by="prompt_logprobs")
    assert (verdicts(found, "log-probabilities"), code) == (["ok"], 0), found


@pytest.mark.parametrize(
    ("fault", "verdict", "said"),
    [
        ({"shift": 1}, "wrong", "not those of its tokens"),
        ({"logprobs": False}, "unknown", "0 log-probabilities of prompts can be held to those of generated tokens, 5"),
    ],
)
def test_prompt_logprobs_that_are_wrong_or_not_proved_rank_nothing(fault, verdict, said):
    reply, options = engine_reply(**fault), {"template": "none", "rank_by": "prompt_logprobs"}
    found, code = examined(reply, **options)
    assert verdicts(found, "log-probabilities") == [verdict] and code == (1 if verdict == "wrong" else 0)
    with serve(reply) as stub, pytest.raises(UserError, match=said):
        model = plugins.load_model("openai:m", {"base_url": stub.url, **options})
        list(model.answer([Request(messages=(Message("user", "Two plus two makes"),), choices=(" four", " five"))]))


def test_prompt_logprobs_rank_as_the_echo_and_the_weights_do():
    asked = Request(
        messages=(Message("user", "The capital of Namibia is"),),
        choices=(" Windhoek", " the sea.", " “é”", " a\n b"), context_per_choice=("", " on", "", ""),
    )  # fmt: skip
    with serve(engine_reply()) as stub:
        at = {"base_url": stub.url, "template": "none"}
        by = {way: plugins.load_model("openai:m", {**at, "rank_by": way}) for way in ("echo", "prompt_logprobs")}
        found = {way: dict(model.answer([asked]))[0] for way, model in by.items()}
    local = plugins.load_model(f"local:{TINY}", {"threads": 1, "dtype": "float32", "template": "none"})
    wanted = dict(local.answer([asked]))[0]
    for way, one in found.items():
        assert not one.error, way
        assert one.logprobs == pytest.approx(wanted.logprobs, rel=1e-4)
        assert (one.greedy, one.lengths) == (wanted.greedy, wanted.lengths)


def test_a_server_that_answers_to_any_name_or_cuts_prompts_is_noted():
    truthful = engine_reply(any_name=True, logprobs=False)

    def reply(body):
        found = truthful(body)
        return Reply(text="cut", tokens=(512, 1)) if found.status == 400 and body["max_tokens"] == 1 else found

    found, code = examined(reply)
    assert (verdicts(found, "name"), verdicts(found, "context"), code) == (["look"], ["look"], 0)
    assert "cut without a word" in found["context"][0].said
    assert "none are given" in found["log-probabilities"][0].said


def test_what_is_refused_and_what_is_not_the_same_twice():
    found, _ = examined(gpt5)
    refused = next(one.said for one in found["parameters"] if one.verdict == "look")
    assert "max_tokens is sent as max_completion_tokens" in refused and "temperature is left out" in refused
    texts = iter(range(1000))
    found, _ = examined(lambda body: f"answer {next(texts)}")
    assert "5 greedy answers are 5 different ones" in found["determinism"][0].said


@pytest.mark.parametrize(("spec", "profile"), [("anthropic:m", anthropic), ("gemini:m", gemini)])
def test_other_protocols_are_examined_too(spec, profile):
    found, code = examined(profile, spec)
    assert code == 0 and found["reachable"][0].verdict == "ok" and "streaming" not in found


@pytest.mark.parametrize(
    ("status", "why"), [(400, "does not echo prompts"), (500, "does not echo prompts"), (200, "not echo log-prob")]
)
def test_a_server_of_llama_cpp_does_not_rank_and_is_asked_once_for_it(status, why):
    """Its log-probabilities of generated tokens are good for letters, and that is said."""
    echoes = []

    def reply(body):
        echoes.extend([body] * bool(body.get("echo")))
        return llama_cpp_server(body, status)

    found, code = examined(reply, template="none")
    (said,) = found["log-probabilities"]
    assert (said.verdict, code, why in said.said) == ("wrong", 1, True), said
    assert "--mode write" in said.do and len(echoes) <= 8
    found, code = examined(reply)
    (said,) = found["log-probabilities"]
    assert (said.verdict, code) == ("ok", 0) and "--mode letters or write" in said.do
    assert "it answers to any name; it says that it serves model.gguf" in found["name"][0].said


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (Reply(status=401, error="Incorrect API key provided"), "the key in OPENAI_API_KEY is not accepted"),
        (Reply(status=404, error={"message": "The model `m` does not exist"}), "knows no model 'm'"),
        (Reply(status=402, error="pay"), "no money left"),
        (Reply(raw=b"<html>"), "the reply holds no answer"),
    ],
)
def test_what_cannot_be_asked_is_one_line_that_is_wrong(evalh, monkeypatch, reply, wanted):
    from evalharness.clients import pool

    monkeypatch.setattr(pool, "_backoff", lambda *_: 0.0)
    with serve(lambda body: reply) as stub:
        said = evalh("doctor", "openai:m", "--base-url", stub.url)
    assert said.code == 1 and said.out.startswith("✗ wrong") and wanted in said.out and said.out.count("\n") == 1
    assert evalh("doctor", "openai:m", "--base-url", "http://127.0.0.1:9/v1").code == 1


def test_a_local_model_is_held_to_itself(evalh):
    said = evalh("doctor", "tiny", "--json")
    found = {one["check"]: one["verdict"] for one in said.json["findings"]}
    assert said.code == 0 and found["log-probabilities"] == found["template and BOS"] == "ok"


@pytest.mark.parametrize(
    "name", ["mmlu", "gsm8k", "humaneval", "squad", "winogrande", "glue/cola", "lambada", "mbpp", "squad2"]
)
def test_shipped_benchmarks_are_well(evalh, name):
    said = evalh("doctor", name, "--json")
    found = [(one["check"], one["verdict"]) for one in said.json["findings"]]
    assert said.code == 0 and any("right answers" in check for check, verdict in found if verdict == "ok"), found


def test_what_lm_evaluation_harness_scores_wrongly_in_drop_is_found(evalh):
    """Its F1 reads a right answer of several spans as one."""
    found = {one["check"]: one for one in evalh("doctor", "drop", "--json").json["findings"]}
    assert "1 of 5 are not worth 1: sample-3" in found["right answers, written"]["said"]


@pytest.mark.parametrize(
    ("answers", "more", "check", "wanted"),
    [
        (("A4", "A9"), "", "right answers, written", ""),
        (("A4", "one\ntwo"), 'stop: ["\\n"]\n', "texts to stop at", "1 right answers hold one ('\\n'): "),
        (("<think>4", "9"), "", "right answers, written", "1 of 2 are not worth 1"),
        (("A4", "A9"), 'template: "<s>{{q}}"\n', "BOS", "2 prompts begin with a BOS token twice"),
    ],
)
def test_what_is_wrong_with_a_benchmark_is_named(evalh, tmp_path, answers, more, check, wanted):
    rows = [{"q": f"Q{n}?", "a": answer} for n, answer in enumerate(answers)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = more if more.startswith("template") else f'template: "{{{{q}}}}"\n{more}'
    (tmp_path / "own.yaml").write_text(f"source: rows.jsonl\n{own}answers: a\nscorer: exact\n")
    said = evalh("doctor", "own.yaml", "--json")
    found = {one["check"]: one for one in said.json["findings"]}
    assert said.code == (1 if wanted else 0), found
    assert wanted in found[check]["said"] and (found[check]["verdict"] == "wrong") == bool(wanted)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("mmlu", "--base-url", "http://x/v1"), "mmlu is no model, and --base-url is for models"),
        (("tiny", "--data", "x"), "tiny is a model, and --data is for benchmarks"),
        (("mmul",), "there is no benchmark called 'mmul' (did you mean mmlu?)"),
        (("nosuch:x",), "there is no model called 'nosuch'"),
        (("mmlu", "--data", "nowhere"), "nowhere"),
        (("truthfulqa",), "truthfulqa is a family of tasks"),
    ],
)
def test_what_cannot_be_examined_is_one_line(evalh, words, wanted):
    said = evalh("doctor", *words)
    assert (said.code, said.err.count("\n")) == (2, 1) and wanted in said.err


class Slow:
    """A server that answers as another until a request of this kind comes; that one and all behind it hang."""

    def __init__(self, reply, hangs):
        self.reply, self.hangs, self.over = reply, hangs, threading.Event()
        self.stuck = False

    def __call__(self, body):
        self.stuck = self.stuck or self.hangs(body)
        if self.stuck:
            self.over.wait(60)
        return self.reply(body)


@pytest.mark.parametrize(
    ("hangs", "minutes", "code", "wanted"),
    [
        (lambda body: True, 0.01, 1, "✗ wrong    reachable  no answer came in time"),
        # On a machine with much to do more is left untried.
        (lambda body: "response_format" in body, 0.03, 0, r"no answer in time; not tried: .*response_format, logprobs"),
        (lambda body: "response_format" in body, 0.03, 0, r"time +2 s are over; not tried: .*context"),
        (lambda body: body["max_tokens"] > 1000, 0.03, 0, "context +no answer within|are over; not tried: .*context"),
    ],
)
def test_a_slow_server_does_not_hold_an_examination_up(evalh, hangs, minutes, code, wanted):
    slow = Slow(lambda body: Reply(text="yes", tokens=(len(body["messages"][0]["content"].split()), 2)), hangs)
    with serve(slow) as stub:
        said = evalh("doctor", "openai:m", "--base-url", stub.url, "--max-minutes", minutes)
        slow.over.set()
    assert said.code == code and re.search(wanted, said.out), said.out
    assert "--max-minutes gives an examination more time" in said.out


def test_weights_that_are_not_compared_in_time_are_one_line(evalh):
    slow = Slow(lambda body: "yes", lambda body: True)
    with serve(slow) as stub:
        said = evalh(
            "doctor", "openai:m", "--base-url", stub.url, "--same-as", f"local:{TINY}", "--max-minutes", "0.01"
        )
        slow.over.set()
    assert said.code == 2 and said.err.count("\n") == 1 and "0 of 50 answers came in time" in said.err
    said = evalh("doctor", "mmlu", "--max-minutes", "1")
    assert said.code == 2 and "mmlu is no model, and --max-minutes is for models" in said.err
