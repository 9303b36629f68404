"""`evalh run` against an endpoint: the whole road, and each way in which an endpoint can refuse."""

import json
from pathlib import Path

import pytest
from stub_server import Reply, serve, text_of

pytestmark = pytest.mark.usefixtures("heavy_http_client")

KEY = "sk-live-0123456789abcdef"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def words(url, *more):
    return ("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", url, "--limit", 10, *more)


def test_a_run_over_an_endpoint_is_scored_priced_and_gone_on_with(evalh):
    with serve(lambda body: Reply(text="The answer is A.", tokens=(100, 5))) as stub:
        first = evalh(*words(stub.url, "--json", "--price-in", 1, "--price-out", 10))
        asked = len(stub.seen)
        again = evalh(*words(stub.url, "--json", "--price-in", 1, "--price-out", 10))
        assert len(stub.seen) == asked == 10 or asked == 11  # a first request may try the endpoint out
    entry = first.json["benchmarks"]["mmlu@sample"]
    assert entry["mode"] == "write" and entry["counts"]["correct"] + entry["counts"]["wrong"] == 10
    assert first.json["usage"]["mmlu@sample"]["cost"] == pytest.approx(10 * (100 * 1 + 5 * 10) / 1e6)
    assert again.json["benchmarks"] == first.json["benchmarks"]


def test_the_same_question_is_not_paid_for_twice_in_another_run_either(evalh):
    with serve(lambda body: "A") as stub:
        for name in ("one", "two"):
            evalh(*words(stub.url, "--name", name))
        assert 10 <= len(stub.seen) <= 11
        evalh(*words(stub.url, "--name", "three", "--no-cache"))
        assert len(stub.seen) >= 20


def test_the_key_is_nowhere_in_the_run(evalh):
    with serve(lambda body: Reply(status=400, error=f"bad request with {KEY}")) as stub:
        said = evalh(*words(stub.url))
    kept = b"".join(p.read_bytes() for p in Path("runs").rglob("*") if p.is_file())
    assert KEY.encode() not in kept and KEY not in said.out + said.err


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (Reply(status=401, error="Incorrect API key provided"), "key"),
        (Reply(status=403, error="no access"), "refuse"),
        (Reply(status=404, error={"message": "The model `m` does not exist", "code": "model_not_found"}), "m"),
    ],
)
def test_what_nobody_can_answer_is_one_line_and_exit_2(evalh, reply, wanted):
    with serve(lambda body: reply) as stub:
        said = evalh(*words(stub.url))
    assert said.code == 2 and wanted in said.err
    assert said.err.strip().splitlines()[-1].startswith("evalh: ") and "Traceback" not in said.err


def test_no_key_and_no_server_are_one_line(evalh, monkeypatch):
    said = evalh(*words("http://127.0.0.1:9/v1"))
    assert said.code == 2 and "127.0.0.1:9" in said.err
    monkeypatch.delenv("OPENAI_API_KEY")
    said = evalh("run", "mmlu", "--data", "sample", "--model", "openai:m")
    assert said.code == 2 and "OPENAI_API_KEY" in said.err


def test_some_requests_that_fail_make_the_run_not_whole_and_are_asked_again(evalh):
    refused = []

    def reply(body):
        if len(refused) < 3 and body["messages"][0]["content"] not in refused:
            refused.append(body["messages"][0]["content"])
        return Reply(status=400, error="odd") if text_of(body) in refused else "B"

    with serve(reply) as stub:
        said = evalh(*words(stub.url, "--json"))
        assert said.code == 3 and len(said.json["unanswered"]) == 3
        refused[:] = ["x", "y", "z"]
        before = len(stub.seen)
        said = evalh(*words(stub.url, "--json"))
        assert said.code == 0 and 3 <= len(stub.seen) - before <= 4
    assert said.json["benchmarks"]["mmlu@sample"]["counts"]["error"] == 0
    assert (
        len({json.loads(line)["id"] for line in Path(said.json["run"], "results.jsonl").read_text().splitlines()}) == 10
    )


def test_answers_are_judged_in_the_same_command(evalh):
    with serve(lambda body: "[[A]]" if body["model"] == "j" else "A fine answer.") as stub:
        said = evalh(
            "run", "alpaca_eval", "--data", "sample", "--limit", 4, "--json", "--model", "openai:m", "--base-url",
            stub.url, "--judge", "pairwise=openai:j", "--judge-base-url", stub.url,
        )  # fmt: skip
    assert said.code == 0, said.err
    (entry,) = said.json["benchmarks"].values()
    assert said.json["judging"] and entry


def test_a_preview_says_what_the_run_would_cost_at_most_and_asks_nobody(evalh):
    words = ("preview", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1")
    said = evalh(*words, "--price-in", 1, "--price-out", 10)
    assert said.code == 0 and "cost: at most about 0.68 US dollars" in said.out
    assert "cost: no price known" in evalh(*words).out
