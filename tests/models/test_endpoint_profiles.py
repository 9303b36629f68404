"""Each kind of endpoint answers MMLU's sample with 64 requests in flight, and the figures are those of its answers."""

import json
from pathlib import Path

import pytest
from endpoint_profiles import (
    anthropic,
    azure,
    deepseek,
    gemini,
    gpt5,
    letter,
    llama_cpp,
    mistral,
    o_series,
    tgi,
    think_in_text,
    vllm,
    vllm_bos,
    vllm_prompt_logprobs,
)
from stub_server import serve

pytestmark = pytest.mark.usefixtures("heavy_http_client")

KEY = "sk-test-0123456789abcdef"
KEYS = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in KEYS:
        monkeypatch.setenv(name, KEY)
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


DEPLOYMENT = "/openai/deployments/d?api-version=2024-06-01"
WROTE = {"temperature": "left out", "max_tokens": "sent as max_completion_tokens"}
PROFILES = {
    # profile: the model's plug-in, what follows the server's address, refused parameters
    "gpt5": (gpt5, "openai", "/v1", WROTE),
    "o_series": (o_series, "openai", "/v1", WROTE),
    "deepseek": (deepseek, "openai", "/v1", {}),
    "think_in_text": (think_in_text, "openai", "/v1", {}),
    "mistral": (mistral, "openai", "/v1", {}),
    "anthropic": (anthropic, "anthropic", "", {}),
    "gemini": (gemini, "gemini", "/v1beta", {}),
    "azure": (azure, "openai", DEPLOYMENT, {}),
    "azure_v1": (azure, "openai", "/openai/v1?api-version=preview", {}),
    "llama_cpp": (llama_cpp, "openai", "/v1", {}),
    "tgi": (tgi, "openai", "/v1", {"temperature": "left out"}),
    "vllm": (vllm, "openai", "/v1", {}),
    "vllm_bos": (vllm_bos, "openai", "/v1", {}),
    "vllm_prompt_logprobs": (vllm_prompt_logprobs, "openai", "/v1", {}),
}
THINKS = {"deepseek", "think_in_text", "mistral", "anthropic", "gemini"}
PATHS = {
    "anthropic": "/v1/messages", "gemini": "/v1beta/models/m:generateContent",
    "azure": "/openai/deployments/d/chat/completions?api-version=2024-06-01",
    "azure_v1": "/openai/v1/chat/completions?api-version=preview",
}  # fmt: skip


@pytest.mark.parametrize("profile", PROFILES)
def test_an_endpoint_of_every_kind_is_asked_right(profile, evalh):
    reply, plugin, path, refused = PROFILES[profile]
    ranks = profile.startswith("vllm")
    with serve(reply) as stub:
        address = stub.url.removesuffix("/v1") + path
        more = ("--template", "none") if ranks else ()
        more += ("--rank-by", "prompt_logprobs") if "prompt" in profile else ()
        said = evalh(
            "run", "mmlu", "--data", "sample", "--model", f"{plugin}:m", "--base-url", address, "--concurrency", 64,
            "--json", *more,
        )  # fmt: skip
    assert said.code == 0, said.err
    run = Path(said.json["run"])
    lines = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    (entry,) = said.json["benchmarks"].values()
    for line in lines:
        wanted = letter(line["request"]["messages"][-1]["content"] if not ranks else text_of(line))
        assert line["answer"] == wanted, line["response"]
        assert ("thinking" in line["response"]) == (profile in THINKS)
    right = sum("ABCD"[line["sample"]["gold"][0]] == line["answer"] for line in lines)
    assert entry["counts"]["correct"] == right and right + entry["counts"]["wrong"] == len(lines) == entry["n"]
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["model"].get("rank_by") == ("prompt_logprobs" if "prompt" in profile else None)
    assert manifest["model"].get("refused_parameters", {}) == refused
    assert said.err.count("warning: ") == len(refused)
    if profile in PATHS:
        assert {body["path"] for body in stub.seen} == {PATHS[profile]}
    everything = b"".join(p.read_bytes() for p in run.parent.rglob("*") if p.is_file())
    assert KEY.encode() not in everything and KEY not in said.out + said.err
    used = {k: lines[0]["response"].get(k, 0) for k in ("tokens_in", "tokens_out", "reasoning_tokens", "cached_tokens")}
    details = {
        "gpt5": (4, 8), "o_series": (4, 8), "anthropic": (0, 8), "gemini": (4, 8),
    }.get(profile, (0, 0))  # fmt: skip
    assert (used["reasoning_tokens"], used["cached_tokens"]) == details
    if not ranks:
        assert (used["tokens_in"], used["tokens_out"]) == (10, 5)


def text_of(line) -> str:
    return "".join(message["content"] for message in line["request"]["messages"])


@pytest.mark.parametrize(
    ("plugin", "path", "header", "value"),
    [
        ("openai", "/v1", "authorization", f"Bearer {KEY}"),
        ("openai", DEPLOYMENT, "api-key", KEY),
        ("anthropic", "", "x-api-key", KEY),
        ("gemini", "/v1beta", "x-goog-api-key", KEY),
    ],
)
def test_the_key_goes_into_the_header_where_it_belongs_and_no_other(plugin, path, header, value, evalh):
    replies = {"openai": azure, "anthropic": anthropic, "gemini": gemini}
    with serve(replies[plugin]) as stub:
        address = stub.url.removesuffix("/v1") + path
        words = ("--limit", 1, "--base-url", address, "--model", f"{plugin}:m")
        assert evalh("run", "mmlu", "--data", "sample", *words).code == 0
    (headers,) = stub.headers
    assert headers[header] == value
    assert [name for name, held in headers.items() if KEY in held] == [header]
