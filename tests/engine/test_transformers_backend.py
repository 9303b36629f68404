"""Models of transformers that the native decoder does not know: every way of asking several texts at once gives what
each text gives alone, and a way that a model does not do right is not used."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from closeness import logprobs

from evalharness.engine.base import Continuation, EngineSettings, GenerationRequest
from evalharness.engine.loading import open_engine, why_transformers
from evalharness.engine.transformers_passes import Passes, try_passes
from evalharness.errors import UserError

T = {"vocab_size": 160, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
     "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 1,
     "pad_token_id": 1}  # fmt: skip
EVERY = {"batched", "shared", "padded", "cached"}
STRETCHED = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 4, "long_factor": [3.0] * 4,
             "original_max_position_embeddings": 80}  # fmt: skip
GEMMA = {"num_hidden_layers": 4, "head_dim": 8, "hidden_size_per_layer_input": 6, "num_kv_shared_layers": 2,
         "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"] * 2}  # fmt: skip
MODELS: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "opt": ("OPTConfig", {"ffn_dim": 48, "word_embed_proj_dim": 32}, EVERY),
    "cohere2": ("Cohere2Config", {"sliding_window": 16}, EVERY),
    "bloom": ("BloomConfig", {"n_layer": 2, "n_head": 4}, EVERY),
    "gpt-oss": ("GptOssConfig", {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16, "head_dim": 8},
                EVERY),
    "gemma-3n": ("Gemma3nTextConfig", {**GEMMA, "vocab_size_per_layer_input": 150, "laurel_rank": 4,
                 "altup_num_inputs": 3, "activation_sparsity_pattern": [0.9, 0.9, 0.0, 0.0]}, EVERY),
    "gemma-4": ("Gemma4TextConfig", {**GEMMA, "vocab_size_per_layer_input": 160, "global_head_dim": 12}, EVERY),
    "mamba": ("MambaConfig", {"state_size": 4}, {"batched", "cached"}),
    "gpt": ("OpenAIGPTConfig", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}, {"batched"}),
    "longrope": ("LlamaConfig", {"rope_parameters": STRETCHED}, {"cached"}),
}  # fmt: skip


@pytest.fixture(scope="session", params=sorted(MODELS))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, set[str]]:
    """(transformers' model, our engine on the folder it wrote, the ways that are expected of it)"""
    transformers = pytest.importorskip("transformers")
    kind, fields, ways = MODELS[request.param]
    if not hasattr(transformers, kind):
        pytest.skip(f"transformers {transformers.__version__} has no {kind}")
    if kind == "MambaConfig" and transformers.__version__.startswith("4."):  # it wants positions there to go on
        ways = ways - {"cached"}
    torch.manual_seed(0)
    config = getattr(transformers, kind)(**{**T, **fields})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    return model, open_engine(folder, EngineSettings(threads=1, backend="hf")), ways


def prompts() -> list[np.ndarray]:
    draw = random.Random(0)
    shared = [draw.randrange(2, 160) for _ in range(70)]
    made = [shared + [draw.randrange(2, 160) for _ in range(n)] for n in (3, 11, 30, 7, 19, 2)]
    return [np.array(ids, dtype=np.int32) for ids in [*made, [5, 6, 7]]]


def test_scores_are_those_of_each_text_alone(opened):
    model, engine, ways = opened
    tails = ([9], [10, 11, 12], [9, 14])
    asked = [[Continuation(ids, np.array(tail, dtype=np.int32)) for tail in tails] for ids in prompts()]
    found = dict(engine.loglikelihood(asked))
    assert sorted(found) == list(range(len(asked)))
    for i, continuations in enumerate(asked):
        for continuation, score in zip(continuations, found[i], strict=True):
            with torch.no_grad():
                logits = model(torch.tensor(continuation.inputs(0)[None]).long()).logits[0].float()
            rows, ids = logits.log_softmax(-1)[-len(continuation.ids) :], continuation.ids.tolist()
            assert score.logprob == logprobs(sum(float(rows[n, t]) for n, t in enumerate(ids)))
            assert (score.greedy, score.tokens) == (rows.argmax(-1).tolist() == ids, len(ids))
    assert set(engine.describe()["passes"]) == ways


def test_answers_are_those_of_each_prompt_alone(opened):
    model, engine, _ = opened
    requests = [GenerationRequest(ids=tuple(ids.tolist()), max_tokens=16 - n) for n, ids in enumerate(prompts())]
    found = {i: generation.tokens for i, generation in engine.generate(requests, bytes)}
    for i, request in enumerate(requests):
        ids = torch.tensor([request.ids])
        written = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=request.max_tokens, do_sample=False,
            eos_token_id=None, pad_token_id=1,
        )  # fmt: skip
        assert found[i] == written[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("refilled_at", [0.0, 0.75])
def test_a_finished_answer_gives_its_place_to_the_next_prompt(opened, monkeypatch, refilled_at):
    _, engine, ways = opened
    monkeypatch.setattr(engine, "refilled_at", refilled_at)
    draw = random.Random(1)
    asked = [
        GenerationRequest(ids=tuple(draw.randrange(2, 160) for _ in range(draw.choice((2, 9, 40)))), max_tokens=24,
                          stop_ids=frozenset(range(draw.randrange(2, 100), 160, 3)))
        for _ in range(14)
    ]  # fmt: skip
    alone = [next(engine.generate([request], bytes))[1].tokens for request in asked]
    widths, plain = [], Passes.step

    def counted(self, before, tokens):
        widths.append((len(tokens), 0 if before.mask is None else int((before.mask.sum(0) == 0).sum())))
        return plain(self, before, tokens)

    monkeypatch.setattr(Passes, "step", counted)
    monkeypatch.setattr(engine, "batch", 4)
    assert {i: made.tokens for i, made in engine.generate(asked, bytes)} == dict(enumerate(alone))
    if "padded" in ways and refilled_at:
        one_after_another = sum(max(map(len, alone[at : at + 4])) for at in range(0, len(alone), 4))
        assert max(rows for rows, _ in widths) == 4 and len(widths) < one_after_another
        assert not any(padding for _, padding in widths)  # what is padding in every row is given up


def test_a_prefix_is_read_once(opened, monkeypatch):
    _, engine, ways = opened
    assert set(engine.describe()["passes"]) == ways  # found out by passes of their own, before those that count
    read, plain = [], Passes.forward

    def counted(self, ids, *given, **more):
        read.append(ids.numel())
        return plain(self, ids, *given, **more)

    monkeypatch.setattr(Passes, "forward", counted)
    ids = prompts()[0][:70]
    asked = [[Continuation(ids, np.array([a, b], dtype=np.int32)) for b in (5, 6)] for a in range(10, 22)]
    assert len(list(engine.loglikelihood(asked))) == 12
    whole = 12 * 71  # two continuations of a prompt differ in what is never read
    assert (sum(read) < whole / 4) == ("shared" in ways)
    assert (len(read) < 6) == ("batched" in ways)


def test_a_way_that_gives_something_else_is_not_used(opened, monkeypatch):
    model, engine, _ = opened
    monkeypatch.setattr(Passes, "behind", lambda self, cache, rows: None)  # as if the prefix had not been there
    assert not try_passes(model, engine.device).shared
    plain = Passes.forward

    def mixed_up(self, ids, *given, **more):
        return replace(made := plain(self, ids, *given, **more), logits=made.logits.roll(1, 0))

    monkeypatch.setattr(Passes, "forward", mixed_up)
    assert not try_passes(model, engine.device).batched


@pytest.mark.parametrize("family", ["gemma-3n", "gemma-4"])
def test_models_whose_layers_borrow_from_each_other_go_to_transformers_of_themselves(family, tmp_path):
    transformers = pytest.importorskip("transformers")
    kind, fields, _ = MODELS[family]
    if not hasattr(transformers, kind):
        pytest.skip(f"transformers {transformers.__version__} has no {kind}")
    config = getattr(transformers, kind)(**{**T, **fields})
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    why = why_transformers(open_engine(tmp_path, EngineSettings(threads=1)))
    assert why == f"the native decoder does not know model_type '{config.model_type}'"


def test_sizes_that_do_not_fit_are_one_line(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.OPTConfig(**{**T, "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 4})
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="cannot compute a text") as found:
        open_engine(Path(tmp_path), EngineSettings(threads=1, backend="hf")).describe()
    assert "\n" not in str(found.value)
