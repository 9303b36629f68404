"""`evalh doctor MODEL --same-as local:DIR`: the same weights are not called others, changed ones are found."""

import pytest
import torch
from engine_server import TINY, engine_reply
from stub_server import Reply, serve

from evalharness.doctor.same_weights import compare_weights, distance, examine_weights, shared
from evalharness.records import Response

pytestmark = pytest.mark.usefixtures("heavy_http_client")
OTHER = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")


def blurred(decoder):
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(0.2 * weight.std() * torch.randn(weight.shape, generator=draw)) if weight.dim() > 1 else None


def told(reply, **options):
    with serve(reply) as stub:
        found = examine_weights("openai:m", f"local:{TINY}", {"base_url": stub.url, **options})
    return {one.check: one.verdict for one in found.findings}, found.exit_code


@pytest.mark.parametrize(
    ("server", "options", "wanted"),
    [
        ({}, {}, {"prompts": "ok", "same weights": "ok"}),
        ({"dtype": "bfloat16"}, {}, {"prompts": "ok", "same weights": "ok"}),
        ({}, {"template": "none"}, {"prompts": "ok", "same weights": "ok"}),
        ({"logprobs": False}, {}, {"prompts": "ok", "same weights": "ok"}),
        ({"change": blurred}, {}, {"prompts": "ok", "same weights": "wrong"}),
        ({"change": blurred, "logprobs": False}, {}, {"prompts": "ok", "same weights": "wrong"}),
        ({"template": OTHER}, {}, {"prompts": "look", "same weights": "wrong"}),
    ],
)
@pytest.mark.slow
def test_what_an_endpoint_serves(server, options, wanted, tmp_path):
    if "template" in server:
        (tmp_path / "t.jinja").write_text(server["template"])
        server = {**server, "template": str(tmp_path / "t.jinja")}
    assert told(engine_reply(**server), **options) == (wanted, 1 if "wrong" in wanted.values() else 0)


def test_another_model_altogether_is_found():
    assert told(lambda body: Reply(text="I am another model.", tokens=(9, 5)))[0]["same weights"] == "wrong"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("openai:m", "--same-as", "mmlu"), "--same-as wants local:DIR"),
        (("openai:m", "--same-as", "local:"), "--same-as wants local:DIR"),
        (("mmlu", "--same-as", "local:x"), "mmlu is no model, and --same-as is for models"),
    ],
)
def test_what_cannot_be_compared_is_one_line(evalh, words, wanted):
    said = (
        evalh("doctor", *words, "--base-url", "http://127.0.0.1:9/v1") if ":" in words[0] else evalh("doctor", *words)
    )
    assert (said.code, said.err.count("\n")) == (2, 1) and wanted in said.err


def test_distance_and_shared_prefix():
    one = Response(top_logprobs=(("Ġa", -0.5), ("b", -1.5)))
    assert distance(one, Response(top_logprobs=((" a", -0.5), ("b", -1.5)))) == 0.0
    assert distance(one, Response()) is None
    assert distance(one, Response(top_logprobs=((" a", -0.5), ("c", -1.5)))) == pytest.approx(0.0)
    assert distance(one, Response(top_logprobs=(("b", -0.5), (" a", -1.5)))) == pytest.approx(
        2 * (0.60653 - 0.22313), 1e-4
    )
    assert (shared("abcd", "abxy"), shared("", ""), shared("ab", "abcd")) == (0.5, 1.0, 0.5)


def test_few_differences_are_none():
    same = [Response(text="yes it is", top_logprobs=(("a", -0.1),)) for _ in range(50)]
    few = [Response(text="no", top_logprobs=(("a", -2.0),)) if n < 5 else r for n, r in enumerate(same)]
    assert not compare_weights(few, same, same).different
    many = [Response(text="no", top_logprobs=(("a", -2.0),)) if n < 40 else r for n, r in enumerate(same)]
    assert compare_weights(many, same, same).different
