"""The native decoder equals transformers on every family, is trainable, and its checkpoints go back to transformers."""

import json
import re

import pytest
import torch
import torch.distributed as dist
from closeness import BAR, apart, furthest
from torch.testing._internal.distributed.fake_pg import FakeStore

from evalharness.engine import checkpoint
from evalharness.engine.attention import PackedRows, PrefixCache
from evalharness.engine.config import parse_config
from evalharness.engine.decoder import Decoder, initialise
from evalharness.engine.matmul import Linear

# Families whose blocks have parts of their own.
NEW = [
    "mixtral", "qwen2-moe", "qwen3-moe", "olmoe", "granite-moe", "olmo2", "granite", "gpt-oss", "llama4", "qwen3-next",
    "qwen3.5",
]  # fmt: skip


def bar(family: str) -> float:
    """How far a family may be off. What the gated delta rule rounds is carried from token to token, so that a sum in
    another order moves it further than an attention."""
    return 3 * BAR if family in ("qwen3-next", "qwen3.5") else BAR


def test_logits_equal_transformers(family, written):
    theirs, folder = written(family)
    ids = torch.randint(0, 160, (2, 100), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(folder)(ids), theirs(ids).logits) < BAR


def test_behind_a_prefix_equals_whole(family, written):
    decoder = checkpoint.load_decoder(written(family)[1])
    ids = torch.randint(0, 160, (100,), generator=torch.Generator().manual_seed(2))
    other = torch.randint(0, 160, (9,), generator=torch.Generator().manual_seed(3))
    shared = 60
    with torch.inference_mode():
        prefix = PrefixCache(decoder.config, shared, torch.float32, torch.device("cpu"))
        for start, stop in ((0, 33), (33, shared)):  # in two pieces
            positions = torch.arange(start, stop)
            rows = PackedRows(decoder.config, [stop - start], positions, prefix=prefix, keep=True)
            decoder.hidden(ids[start:stop], positions, rows)
            prefix.length = stop
        positions = torch.cat([torch.arange(shared, 100), torch.arange(shared, shared + 9)])
        rows = PackedRows(decoder.config, [40, 9], positions, prefix=prefix)
        got = decoder.head(decoder.hidden(torch.cat([ids[shared:], other]), positions, rows))
        want = decoder(ids[None])[0, shared:]
        want_other = decoder(torch.cat([ids[:shared], other])[None])[0, shared:]
    assert apart(got[:40], want) < BAR
    assert apart(got[40:], want_other) < BAR


@pytest.mark.parametrize("family", NEW)
def test_packed_weights_and_any_batch_give_the_same(family, written):
    theirs, folder = written(family)
    decoder = checkpoint.load_decoder(folder)
    ids = torch.randint(0, 160, (5, 40), generator=torch.Generator().manual_seed(8))
    with torch.inference_mode():
        want = theirs(ids).logits
        decoder.pack(head=True)
        assert all(m.weight is None for m in decoder.modules() if isinstance(m, Linear))
        assert apart(decoder(ids), want) < bar(family)
        for row in range(5):
            assert apart(decoder(ids[row : row + 1]), want[row : row + 1]) < bar(family)


@pytest.mark.parametrize("family", ["gpt2", "llama3", "gemma2", "phi3", *NEW])
def test_gradients_equal_transformers(family, written):
    theirs, folder = written(family)
    ours = checkpoint.load_decoder(folder)
    ids = torch.randint(0, 160, (2, 30), generator=torch.Generator().manual_seed(4))
    weight = torch.randn(160, generator=torch.Generator().manual_seed(5))
    theirs.zero_grad()
    (theirs(ids).logits @ weight).square().mean().backward()
    (ours(ids) @ weight).square().mean().backward()
    gradients = [
        {
            name.replace("router.layer", "router").replace("block_sparse_moe", "mlp"): parameter.grad
            for name, parameter in model.named_parameters()
            if not re.search(r"\.experts\.|_linear\.", name)  # transformers has other tensors for them than the files
        }
        for model in (ours, theirs)
    ]
    assert furthest(*gradients) < (bar(family),)


def test_checkpoint_goes_back_to_transformers(family, written, tmp_path):
    transformers = pytest.importorskip("transformers")
    theirs, folder = written(family)
    checkpoint.save_decoder(checkpoint.load_decoder(folder), tmp_path, shard_bytes=20_000)
    assert (tmp_path / checkpoint.INDEX).is_file()
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(theirs(ids).logits, again(ids).logits)
        assert apart(checkpoint.load_decoder(tmp_path)(ids), theirs(ids).logits) < BAR


OLD_KEYS = {  # what transformers 4 left out of the file, or wrote otherwise
    "gpt2": ["n_inner", "activation_function", "layer_norm_epsilon", "tie_word_embeddings"],
    "gemma2": ["layer_types", "tie_word_embeddings", "hidden_activation"],
    "gemma3": ["layer_types", "tie_word_embeddings", "attn_logit_softcapping"],
    "smollm3": ["no_rope_layers", "layer_types", "tie_word_embeddings"],
    "qwen2": ["layer_types"],
}


@pytest.mark.parametrize("family", sorted(OLD_KEYS))
def test_keys_left_out_mean_the_defaults(family, written):
    raw = json.loads((written(family)[1] / "config.json").read_text())
    full = parse_config(raw)
    bare = {k: v for k, v in raw.items() if k not in OLD_KEYS[family]}
    parsed = parse_config(bare)
    assert (parsed.layers, parsed.tied, parsed.activation, parsed.inner, parsed.eps) == (
        full.layers, full.tied, full.activation, full.inner, full.eps,
    )  # fmt: skip


def test_rope_as_transformers_4_wrote_it():
    common = {"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 1}
    scaling = {"type": "linear", "factor": 4.0}
    old = parse_config({**common, "rope_theta": 5e5, "rope_scaling": scaling}).layers[0].rope
    new = parse_config({**common, "rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0}})
    assert old == new.layers[0].rope
    assert (old.theta, old.factor) == (5e5, 4.0)
    gemma = {**common, "model_type": "gemma3_text", "num_hidden_layers": 6, "rope_theta": 1e6, "head_dim": 8}
    layers = parse_config({**gemma, "rope_local_base_freq": 10_000}).layers
    assert [layer.rope.theta for layer in layers] == [1e4] * 5 + [1e6]


def test_random_initialisation_is_seeded_and_trains():
    raw = {"model_type": "llama", "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24,
           "num_hidden_layers": 2, "num_attention_heads": 2, "tie_word_embeddings": True}  # fmt: skip
    decoders = []
    for _ in range(2):
        decoder = Decoder(parse_config(raw))
        initialise(decoder, torch.Generator().manual_seed(7))
        decoders.append(decoder)
    assert all(torch.equal(a, b) for a, b in zip(*(d.parameters() for d in decoders), strict=True))
    decoder = decoders[0]
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=3e-2)
    ids = torch.arange(30).reshape(2, 15)
    losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(decoder(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("change", [{"attn_logit_softcapping": None}, {"sliding_window": 4096}])
def test_the_comparison_can_fail(change, written):
    """Without the cap or the window the logits are far off, so agreement above is not an accident."""
    theirs, folder = written("gemma2")
    raw = {**json.loads((folder / "config.json").read_text()), **change}
    config = parse_config(raw)
    if change.get("attn_logit_softcapping", 0) is None:
        from dataclasses import replace

        config = replace(config, cap=None)
    ids = torch.randint(0, 160, (1, 100), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(folder, config=config)(ids), theirs(ids).logits) > 100 * BAR


@pytest.fixture
def two_ranks():
    """This process as the first of two ranks; the other is torch's stand-in."""

    def start():
        dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())

    yield start
    if dist.is_initialized():
        dist.destroy_process_group()


def test_where_ranks_are_several_autograd_makes_every_gradient_of_a_tied_table(two_ranks):
    raw = {"model_type": "llama", "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24,
           "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": True}  # fmt: skip
    decoder = Decoder(parse_config(raw))
    initialise(decoder, torch.Generator().manual_seed(7), std=0.2)
    table, ids = decoder.embed.weight, torch.tensor([[3, 4, 3, 9], [1, 3, 0, 9]])

    def loss():
        return torch.nn.functional.cross_entropy(decoder(ids).flatten(0, 1), ids.flip(1).flatten())

    loss().backward()
    alone = {name: parameter.grad.clone() for name, parameter in decoder.named_parameters()}
    decoder.zero_grad()
    (head_only,) = torch.autograd.grad(loss(), table)  # one rank: the looked-up rows go past autograd
    assert apart(head_only, alone["model.embed_tokens.weight"]) > 0.01
    decoder.zero_grad()
    two_ranks()
    (whole,) = torch.autograd.grad(loss(), table)
    assert table.grad is None
    assert apart(whole, alone["model.embed_tokens.weight"]) < BAR
    loss().backward()
    assert furthest({name: parameter.grad for name, parameter in decoder.named_parameters()}, alone) < (BAR,)
