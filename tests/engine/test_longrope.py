"""With longrope all positions of a text change once it is longer than the original context: texts below, above and
across it, ranked and written, are those of transformers."""

import random

import numpy as np
import pytest
import torch
from closeness import logprobs

from evalharness.engine.base import Continuation, EngineSettings, GenerationRequest
from evalharness.engine.loading import open_engine

ORIGINAL = 64
STRETCHED = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.2, 1.5, 2.0],
    "long_factor": [2.0, 4.0, 9.0, 16.0], "original_max_position_embeddings": ORIGINAL,
}  # fmt: skip


@pytest.fixture(scope="module")
def phi(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Phi3Config(
        vocab_size=160, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, original_max_position_embeddings=ORIGINAL, bos_token_id=0,
        eos_token_id=1, pad_token_id=1, rope_parameters=STRETCHED, tie_word_embeddings=True,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    folder = tmp_path_factory.mktemp("phi")
    model.save_pretrained(folder)
    return model, open_engine(folder, EngineSettings(threads=1))


def prompts(lengths):
    draw = random.Random(0)
    shared = [draw.randrange(2, 160) for _ in range(40)]
    return [np.array(shared[:n] + [draw.randrange(2, 160) for _ in range(n - 40)], dtype=np.int32) for n in lengths]


@pytest.mark.parametrize("route", ["plain", "packed"])
def test_scores_below_above_and_across(route, phi):
    model, engine = phi
    assert engine.context == 256 and engine.describe()["backend"] == "native"
    engine.routes = {"loglikelihood": route, "generate": route}
    tails = ([9], [10, 11, 12], list(range(20, 30)))
    lengths = (20, 50, 60, 63, 64, 65, 66, 90, 120, 240)
    asked = [[Continuation(ids, np.array(tail, dtype=np.int32)) for tail in tails] for ids in prompts(lengths)]
    found = dict(engine.loglikelihood(asked))
    assert sorted(found) == list(range(len(lengths)))
    for i, continuations in enumerate(asked):
        for each, score in zip(continuations, found[i], strict=True):
            with torch.no_grad():
                rows = model(torch.tensor(each.inputs(0)[None]).long()).logits[0].log_softmax(-1)[-len(each.ids) :]
            want = sum(float(rows[n, t]) for n, t in enumerate(each.ids.tolist()))
            assert score.logprob == logprobs(want) and score.tokens == len(each.ids)


def test_texts_that_grow_beyond_it_are_written_as_transformers_does(phi):
    model, engine = phi
    requests = [
        GenerationRequest(ids=tuple(ids.tolist()), max_tokens=24) for ids in prompts((20, 45, 55, 63, 64, 65, 100))
    ]
    found = dict(engine.generate(requests, lambda token: b"x"))
    assert sorted(found) == list(range(len(requests)))
    for i, request in enumerate(requests):
        ids = torch.tensor([request.ids])
        written = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False, eos_token_id=None,
            pad_token_id=1,
        )  # fmt: skip
        assert found[i].tokens == written[0, ids.shape[1] :].tolist()
        assert (found[i].finish, found[i].text, found[i].request) == ("length", "x" * 24, request)


def test_stops_are_found_on_either_side(phi):
    _, engine = phi
    ids = tuple(prompts((60,))[0].tolist())
    ((_, free),) = engine.generate([GenerationRequest(ids=ids, max_tokens=20)], lambda token: b"%d " % token)
    for place in (1, 9):
        stop = frozenset({free.tokens[place]})
        ((_, stopped),) = engine.generate([GenerationRequest(ids=ids, max_tokens=20, stop_ids=stop)], bytes)
        assert stopped.finish == "stop" and stopped.tokens == free.tokens[: free.tokens.index(free.tokens[place]) + 1]


def test_a_context_within_the_original_one_needs_no_other_decoder(phi, tmp_path):
    model, engine = phi
    assert engine.longer is not None and engine.longer.embed is engine.decoder.embed
    model.save_pretrained(tmp_path)
    assert open_engine(tmp_path, EngineSettings(threads=1, context=ORIGINAL)).longer is None
