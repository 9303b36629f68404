"""Every product route is as exact as the plain one, and none of them can silently lose a gradient."""

import pytest
import torch
import torch.nn.functional as F
from closeness import BAR, apart

from evalharness.engine import attention, checkpoint, matmul
from evalharness.engine.config import parse_config
from evalharness.engine.decoder import ACTIVATE, Decoder, initialise
from evalharness.engine.matmul import Linear, choose_route, pack_weight, packed_matmul, switched

LLAMA = {
    "model_type": "llama", "vocab_size": 90, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip


def can_pack():
    try:
        pack_weight(torch.ones(4, 4))
    except (RuntimeError, AttributeError):
        return False
    return True


needs_packing = pytest.mark.skipif(not can_pack(), reason="this torch has no packed products")


@needs_packing
@pytest.mark.parametrize("transposed", [False, True])
def test_packed_equals_plain(transposed):
    layer = Linear(48, 80, bias=True, transposed=transposed)
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(7, 48)
    with torch.inference_mode():
        want = layer(x)
        layer.pack()
        assert apart(layer(x), want) < BAR
    assert layer.weight is None


@needs_packing
def test_packed_refuses_to_train():
    with pytest.raises(RuntimeError, match="no gradient"):
        packed_matmul(torch.randn(2, 4, requires_grad=True), pack_weight(torch.ones(4, 4)), None)


@needs_packing
@pytest.mark.parametrize("activation", sorted(ACTIVATE))
def test_fused_activations_equal_plain_ones(activation):
    w, b, x = torch.randn(40, 24), torch.randn(40), torch.randn(5, 24)
    with torch.inference_mode():
        want = ACTIVATE[activation](torch.nn.functional.linear(x, w, b))
        assert apart(packed_matmul(x, pack_weight(w), b, activation), want) < BAR


@needs_packing
@pytest.mark.parametrize("family", [{}, {"tie_word_embeddings": True}])
def test_a_packed_decoder_equals_a_plain_one(family):
    decoder = Decoder(parse_config({**LLAMA, **family}))
    initialise(decoder, torch.Generator().manual_seed(0), std=0.2)
    ids = torch.arange(40).reshape(2, 20)
    with torch.inference_mode():
        want = decoder(ids)
        decoder.pack(head=False)
        decoder.pack(head=True)
        assert apart(decoder(ids), want) < BAR


def test_the_switch_is_put_back():
    setting = torch.backends.mkldnn.matmul
    before = setting.fp32_precision
    with pytest.raises(ValueError, match="stop"), switched(True):
        assert setting.fp32_precision == "bf16"
        raise ValueError("stop")
    assert setting.fp32_precision == before


@pytest.mark.parametrize("rows", [16, 128])
def test_the_chosen_route_is_exact(rows):
    route = choose_route(64, rows)
    w, x = torch.randn(64, 64) * 0.02, torch.randn(rows, 64)
    with torch.inference_mode(), switched(route == "switch"):
        got = packed_matmul(x, pack_weight(w), None) if route == "packed" else x @ w.T
    assert apart(got, x.double() @ w.double().T) < BAR


def test_without_onednn_products_are_plain(monkeypatch):
    choose_route.cache_clear()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert choose_route(64, 16) == "plain"
    choose_route.cache_clear()


@pytest.mark.parametrize("training", [False, True])
def test_a_route_that_rounds_is_never_raced(training, monkeypatch):
    def rounding(x, weight, *_):
        return (x.bfloat16() @ weight.bfloat16().T).float()

    raced = []

    def race(passes, rounds):
        raced.extend(passes)
        return dict.fromkeys(passes, 9.0)

    monkeypatch.setattr(matmul, "MATMULS", {"plain": None, "switch": matmul.switched_matmul, "onednn": rounding})
    monkeypatch.setattr(matmul, "pack_weight", lambda weight: weight)
    monkeypatch.setattr(matmul, "packed_matmul", rounding)
    monkeypatch.setattr(matmul, "_race", race)
    choose_route.cache_clear()
    assert choose_route(256, 16, training=training) == "plain"
    choose_route.cache_clear()
    assert "plain" in raced and not {"packed", "onednn"} & set(raced)


@pytest.mark.parametrize("training", [False, True])
def test_an_operator_that_is_gone_leaves_the_other_routes(training, monkeypatch):
    def gone(*_):
        raise AttributeError("no such operator")

    monkeypatch.setattr(matmul, "pack_weight", gone)
    monkeypatch.setattr(matmul, "_onednn", gone)
    choose_route.cache_clear()
    assert choose_route(256, 16, training=training) in ("plain", "switch")
    choose_route.cache_clear()


def test_training_of_narrow_models_is_not_probed(monkeypatch):
    monkeypatch.setattr(matmul, "_training_passes", lambda *_: pytest.fail("probed"))
    choose_route.cache_clear()
    assert choose_route(matmul.NARROW - 1, 256, training=True) == "plain"


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("causal", [False, True])
def test_fused_attention_equals_written_out_scores(groups, causal):
    rule = parse_config(LLAMA)
    draw = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(2, h, 6, 16, generator=draw) for h in (2 * groups, 2, 2))
    mask = torch.ones(6, 6, dtype=torch.bool).tril()[None, None] if causal else None
    with torch.inference_mode():
        out, total = attention.partial_attention(q, k, v, None, rule, causal)
        want, want_total = attention.explicit_attention(q, k, v, mask, rule)
    assert apart(out, want) < BAR and apart(total, want_total) < BAR


@pytest.mark.parametrize("shape", [(1, 6), (1, 1), (2, 6), (2, 1)], ids=str)
def test_heads_that_share_keys_need_no_copies_of_them(shape):
    draw = torch.Generator().manual_seed(2)
    q, k, v = (torch.randn(2, h, 6, 16, generator=draw) for h in (6, 2, 2))
    mask = torch.rand(shape[0], 1, shape[1], 6, generator=draw) < 0.6
    mask[..., 0] = True
    out, total = attention.explicit_attention(q, k, v, mask, parse_config(LLAMA))
    want = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=parse_config(LLAMA).scale, enable_gqa=True)
    assert apart(out, want) < BAR
    assert total.shape == (2, 6, 6)


def test_two_parts_join_to_the_whole():
    rule = parse_config(LLAMA)
    q, k, v = torch.randn(1, 4, 3, 16), torch.randn(1, 2, 9, 16), torch.randn(1, 2, 9, 16)
    with torch.inference_mode():
        parts = [attention.partial_attention(q, k[:, :, s], v[:, :, s], None, rule) for s in (slice(0, 5), slice(5, 9))]
        whole = attention.partial_attention(q, k, v, None, rule)[0]
        assert apart(attention.join_attention(*parts), whole) < BAR


def test_bfloat16_runs_on_the_cpu(tmp_path):
    decoder = Decoder(parse_config(LLAMA))
    initialise(decoder, torch.Generator().manual_seed(0), std=0.2)
    checkpoint.save_decoder(decoder, tmp_path)
    low = checkpoint.load_decoder(tmp_path, dtype=torch.bfloat16)
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        assert low(ids).dtype == torch.float32
        assert apart(low(ids), decoder(ids)) < 0.05  # a step of bfloat16 is 0.8 % of a value
