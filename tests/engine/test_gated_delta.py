"""Layers that pass a memory on: pieces equal token by token, trees and shared beginnings equal each text alone."""

import json
import random
import shutil

import numpy as np
import pytest
import torch
from closeness import BAR, apart, logprobs

from evalharness.engine.attention import PackedRows, PrefixCache
from evalharness.engine.base import Continuation, EngineSettings
from evalharness.engine.gated_delta import delta_rule
from evalharness.engine.loading import open_engine
from evalharness.engine.loglikelihood import LoglikelihoodScorer, token_trees
from evalharness.engine.recurrence import Sequences
from evalharness.errors import UserError


def token_by_token(qkv, kept, corrected, memory):
    """The rule as it is written in the paper, in float64."""
    q, k, v, kept, corrected, memory = (x.double() for x in (*qkv, kept, corrected, memory))
    outputs = []
    for t in range(q.shape[2]):
        memory = memory * kept[:, :, t].exp()[..., None, None]
        error = v[:, :, t] - torch.einsum("bhkv,bhk->bhv", memory, k[:, :, t])
        memory = memory + torch.einsum("bhk,bhv->bhkv", k[:, :, t], error * corrected[:, :, t, None])
        outputs.append(torch.einsum("bhkv,bhk->bhv", memory, q[:, :, t]))
    return torch.stack(outputs, 2), memory


@pytest.mark.parametrize("fading", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("length", [1, 63, 64, 150])
def test_pieces_equal_token_by_token(length, fading):
    draw = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(2, 3, length, size, generator=draw) for size in (8, 8, 5))
    k = torch.nn.functional.normalize(k, dim=-1)
    kept = -fading * torch.rand(2, 3, length, generator=draw)
    corrected, memory = torch.rand(2, 3, length, generator=draw), torch.randn(2, 3, 8, 5, generator=draw)
    want = token_by_token((q, k, v), kept, corrected, memory)
    for got, right in zip(delta_rule((q, k, v), kept, corrected, memory), want, strict=True):
        assert apart(got, right) < BAR


def test_a_tree_is_read_as_its_texts_are():
    branches = torch.tensor([0, 0, 1, 2, 2, 0, 0, 0])
    rows = Sequences.of_rows([5, 3], branches, None, 8)
    assert rows.index.tolist() == [[0, 1, 2, 8], [0, 1, 3, 4], [5, 6, 7, 8]] and rows.lengths.tolist() == [3, 4, 3]
    assert rows.index.flatten()[rows.places].tolist() == list(range(8))
    common = Sequences.of_rows([3, 2], None, torch.tensor([0, 1, 2, 0, 3]), 4)
    assert common.index.tolist() == [[0, 1, 2], [0, 3, 4]]
    assert common.index.flatten()[common.places].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("budget", [64, 512])
@pytest.mark.parametrize("family", ["qwen3-next", "qwen3.5", "gpt-oss", "llama4"])
def test_scores_are_those_of_each_text_alone(family, budget, written):
    theirs, folder = written(family)
    engine, draw = open_engine(folder, EngineSettings(threads=1)), random.Random(3)
    shared = [draw.randrange(2, 160) for _ in range(90)]
    prompts = [shared + [draw.randrange(2, 160) for _ in range(n)] for n in (3, 20, 5, 70)] + [[5, 6, 7]]
    tails = ([9], [10, 11, 12], [10, 13], list(range(20, 30)))
    asked = [[Continuation(np.int32(ids), np.int32(tail)) for tail in tails] for ids in prompts]
    trees = [tree for i, one in enumerate(asked) for tree in token_trees(i, one, 256)]
    scorer = LoglikelihoodScorer(engine.decoder, engine.memory, budget)
    found = dict(scorer.run(trees))
    assert scorer.forwarded < scorer.unshared
    for i, ids in enumerate(prompts):
        for number, tail in enumerate(tails):
            with torch.no_grad():
                rows = theirs(torch.tensor([[*ids, *tail]])).logits[0].log_softmax(-1)
            want = sum(float(rows[len(ids) - 1 + n, token]) for n, token in enumerate(tail))
            assert found[i][number].logprob == logprobs(want)


def test_a_prefix_keeps_the_states_that_are_gone_back_to(written):
    decoder = open_engine(written("qwen3.5")[1], EngineSettings(threads=1)).decoder
    prefix = PrefixCache(decoder.config, 40, torch.float32, torch.device("cpu"))
    ids = torch.arange(2, 42)

    def read(start, stop):
        positions = torch.arange(start, stop)
        out = decoder.hidden(ids[start:stop], positions, PackedRows(decoder.config, [stop - start], positions,
                                                                    prefix=prefix, keep=True))  # fmt: skip
        prefix.length = stop
        return out

    with torch.inference_mode():
        read(0, 10)
        want = read(10, 40)
        prefix.forget(10)
        assert [set(states) for states in prefix.states[:4]] == [{10, 40}, {10, 40}, {10, 40}, set()]
        prefix.length = 10
        assert torch.equal(read(10, 40), want)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"linear_num_key_heads": 2}, "3 value heads are no multiple of 2 key heads"),
        ({"linear_key_head_dim": 0}, "must be positive"),
        ({"layer_types": ["linear_attention"]}, "layer_types is shorter"),
        ({"layer_types": ["full_attention"] * 4}, "missing from the weights"),
        ({"linear_conv_kernel_dim": 4}, "has shape"),
        ({"layer_types": ["sliding_attention"] * 4}, "layer type 'sliding_attention'"),
    ],
)
def test_a_configuration_of_another_model_is_one_line(change, said, written, tmp_path):
    shutil.copytree(written("qwen3.5")[1], tmp_path, dirs_exist_ok=True)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**raw, **change}))
    with pytest.raises(UserError, match=said) as found:
        open_engine(tmp_path, EngineSettings(threads=1, backend="native"))
    assert "\n" not in str(found.value)
