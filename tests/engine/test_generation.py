"""Generated tokens equal those of transformers on every family; architectures unknown to us go to transformers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import logprobs

from evalharness.engine import checkpoint
from evalharness.engine import generation as generation_module
from evalharness.engine.base import Continuation, EngineSettings, Generation, GenerationRequest, draw_token
from evalharness.engine.generation import Generator
from evalharness.engine.loading import open_engine
from evalharness.engine.memory import Memory
from evalharness.engine.slot_cache import SlotCache
from evalharness.errors import UserError


def token_bytes(token):
    return bytes([token % 256])


def prompts():
    draw_ = torch.Generator().manual_seed(6)
    shared = torch.randint(2, 160, (40,), generator=draw_).tolist()
    lengths = (3, 11, 30, 7, 19)
    return [tuple(shared + torch.randint(2, 160, (n,), generator=draw_).tolist()) for n in lengths] + [(5, 6, 7)]


def test_greedy_tokens_equal_transformers(family, written):
    theirs, folder = written(family)
    decoder = checkpoint.load_decoder(folder)
    memory = Memory(decoder.config, torch.device("cpu"), 4)
    requests = [GenerationRequest(ids=ids, max_tokens=24, stop_ids=frozenset({1})) for ids in prompts()]
    found = {i: generation.tokens for i, generation in Generator(decoder, memory, 4, token_bytes).run(requests)}
    for i, request in enumerate(requests):
        ids = torch.tensor([request.ids])
        with torch.no_grad():
            out = theirs.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=24,
                do_sample=False,
                eos_token_id=1,
                pad_token_id=1,
            )
        assert found[i] == out[0, len(request.ids) :].tolist()


@pytest.mark.parametrize("failing", [{2}, {2, 3}])
def test_memory_that_runs_out_for_the_slots_too_answers_each_request_once(failing, written, monkeypatch):
    decoder = checkpoint.load_decoder(written("llama2")[1])
    memory = Memory(decoder.config, torch.device("cpu"), 4)
    requests = [GenerationRequest(ids=ids, max_tokens=9) for ids in 2 * prompts()]
    want = {i: generation.tokens for i, generation in Generator(decoder, memory, 8, token_bytes).run(requests)}
    opened, steps, plain = [], [], type(decoder).head

    class Cache(SlotCache):
        def __init__(self, *args):
            opened.append(1)
            if len(opened) in failing:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            super().__init__(*args)

    def head(self, states):
        steps.append(1)
        if len(steps) == 4:  # after some tokens of every row
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return plain(self, states)

    monkeypatch.setattr(generation_module, "SlotCache", Cache)
    monkeypatch.setattr(type(decoder), "head", head)
    generator = Generator(decoder, memory, 16, token_bytes)
    found = list(generator.run(requests))
    assert sorted(i for i, _ in found) == list(range(len(requests)))
    assert {i: generation.tokens for i, generation in found} == want
    assert len(generator.shrunk) == 1 + len(failing)


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    p = torch.softmax(logits.double() / 0.7, -1)
    chances = (np.arange(2000) + 0.5) / 2000
    plain = GenerationRequest(ids=(1,), max_tokens=1, temperature=0.7)
    counts = np.bincount([draw_token(logits, plain, c) for c in chances], minlength=4) / 2000
    assert np.abs(counts - p.numpy()).max() < 2e-3
    assert {draw_token(logits, replace(plain, top_p=0.5), c) for c in chances} == {2}
    nearly = replace(plain, temperature=1.0, top_p=0.85)
    assert {draw_token(logits, nearly, c) for c in (0.0, 0.5, 1 - 1e-16)} <= {1, 2}


@pytest.mark.parametrize(
    "fields",
    [
        {"top_k": 5}, {"top_k": 1}, {"top_k": 900}, {"min_p": 0.2}, {"min_p": 1.0}, {"top_p": 0.6, "top_k": 12},
        {"top_k": 20, "top_p": 0.7, "min_p": 0.1, "temperature": 1.4},
    ],
)  # fmt: skip
def test_draws_are_from_the_distribution_that_transformers_draws_from(fields):
    processors = pytest.importorskip("transformers").generation.logits_process
    logits = torch.randn(60, generator=torch.Generator().manual_seed(4)) * 2
    request = GenerationRequest(ids=(1,), max_tokens=1, **{"temperature": 0.8, **fields})
    scores = logits[None] / request.temperature
    if request.top_k:
        scores = processors.TopKLogitsWarper(request.top_k)(None, scores)
    if request.top_p < 1:
        scores = processors.TopPLogitsWarper(request.top_p)(None, scores)
    if request.min_p:
        scores = processors.MinPLogitsWarper(request.min_p)(None, scores)
    want = scores[0].softmax(-1).numpy()
    counts = np.bincount([draw_token(logits, request, (n + 0.5) / 3000) for n in range(3000)], minlength=60) / 3000
    assert np.abs(counts - want).max() < 2e-3 and set(np.flatnonzero(counts)) <= set(np.flatnonzero(want))


@pytest.mark.parametrize("penalty", [1.3, 0.8])
def test_repetition_penalty_writes_what_transformers_writes(penalty, written):
    theirs, folder = written("llama3")
    engine = open_engine(folder, EngineSettings(threads=1))
    requests = [GenerationRequest(ids=ids, max_tokens=20, repetition_penalty=penalty) for ids in prompts()]
    for i, generation in engine.generate(requests, token_bytes):
        ids = torch.tensor([requests[i].ids])
        out = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, eos_token_id=None,
            pad_token_id=1, repetition_penalty=penalty,
        )  # fmt: skip
        assert generation.tokens == out[0, ids.shape[1] :].tolist()


def test_stop_strings_are_found_in_text_not_in_tokens():
    pieces = [b"ab", b"c#", b"#d", "é".encode()[:1], "é".encode()[1:], b"x"]
    generation = Generation(GenerationRequest(ids=(1,), max_tokens=9, stop=(b"##", "éx".encode())), lambda i: pieces[i])
    logits = torch.zeros(6)
    assert [generation.append(i, logits) for i in range(3)] == [False, False, True]
    assert (generation.text, generation.finish, len(generation.tokens)) == ("abc", "stop", 3)
    generation = Generation(GenerationRequest(ids=(1,), max_tokens=9, stop=("éx".encode(),)), lambda i: pieces[i])
    assert [generation.append(i, logits) for i in (0, 3, 4, 5)] == [False, False, False, True]
    assert generation.text == "ab"


def test_memory_says_what_would_fit(written):
    decoder = checkpoint.load_decoder(written("gpt2")[1])
    memory = Memory(decoder.config, torch.device("cpu"), 4)
    assert memory.slots(16, 256) == 16 and memory.budget(512) == 512
    with pytest.raises(UserError, match=r"cut prompts with context \d+"):
        memory.check_prefix(10**10)
    with pytest.raises(UserError, match="lower context"):
        memory.slots(1, 10**10)


@pytest.fixture(scope="module")
def opt(tmp_path_factory):
    """OPT: a family that the native decoder does not know."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.OPTConfig(
        vocab_size=160, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, word_embed_proj_dim=32, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder = tmp_path_factory.mktemp("opt")
    model.save_pretrained(folder)
    return model, folder


def test_unknown_architectures_go_to_transformers(opt):
    model, folder = opt
    engine = open_engine(folder, EngineSettings(threads=1))
    said = engine.describe()
    assert said["backend"] == "hf" and "model_type 'opt'" in said["why"] and said["context"] == 64
    ids = list(range(2, 30))
    prompt = np.array(ids, dtype=np.int32)
    continuations = [Continuation(prompt, np.array(tail, dtype=np.int32)) for tail in ([7], [8, 9], [7, 3])]
    ((_, scores),) = engine.loglikelihood([continuations])
    with torch.no_grad():
        for continuation, score in zip(continuations, scores, strict=True):
            logits = model(torch.tensor(continuation.inputs(0)[None]).long()).logits[0]
            rows = logits.log_softmax(-1)[-len(continuation.ids) :]
            want = sum(float(rows[i, t]) for i, t in enumerate(continuation.ids.tolist()))
            assert score.logprob == logprobs(want) and score.tokens == len(continuation.ids)
    ((_, generation),) = engine.generate(
        [GenerationRequest(ids=tuple(ids), max_tokens=10, stop_ids=frozenset({1}))], token_bytes
    )
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, 28), max_new_tokens=10, do_sample=False)
    assert generation.tokens == out[0, 28:].tolist()


def test_native_can_be_insisted_on(opt):
    with pytest.raises(UserError, match="say backend=hf"):
        open_engine(opt[1], EngineSettings(backend="native", threads=1))


def test_both_backends_agree(written):
    folder = written("qwen3")[1]
    ids = np.arange(2, 45, dtype=np.int32)
    continuations = [[Continuation(ids[:35], ids[35:38]), Continuation(ids[:42], ids[42:])]]
    found = [
        dict(open_engine(folder, EngineSettings(backend=b, threads=1)).loglikelihood(continuations))[0]
        for b in ("native", "hf")
    ]
    for ours, theirs in zip(*found, strict=True):
        assert ours.logprob == logprobs(theirs.logprob) and ours.greedy == theirs.greedy


def test_replicas_give_every_answer_once_and_hand_errors_on(written):
    from evalharness.engine.replicas import Replicas

    folder = written("llama2")[1]
    engines = [open_engine(folder, EngineSettings(threads=1)) for _ in range(3)]
    ids = np.arange(2, 60, dtype=np.int32)
    asked = [[Continuation(ids[: 10 + i], ids[40:42]), Continuation(ids[: 10 + i], ids[43:44])] for i in range(8)]
    one = dict(engines[0].loglikelihood(asked))
    many = dict(Replicas(engines).loglikelihood(asked))
    assert sorted(many) == list(range(8))
    for i in range(8):
        assert [s.logprob for s in many[i]] == logprobs([s.logprob for s in one[i]])
    requests = [GenerationRequest(ids=tuple(range(2, 9 + i)), max_tokens=4) for i in range(5)]
    generated = {i: d.tokens for i, d in Replicas(engines).generate(requests, token_bytes)}
    assert generated == {i: d.tokens for i, d in engines[0].generate(requests, token_bytes)}
    assert Replicas(engines).describe()["replicas"] == 3

    class Broken:
        context, vocabulary = 64, 160

        def loglikelihood(self, prompts):
            raise UserError("out of memory")

    with pytest.raises(UserError, match="out of memory"):
        list(Replicas([engines[0], Broken()]).loglikelihood(asked))


def test_available_memory_minds_the_control_group(tmp_path, monkeypatch):
    from evalharness.engine import memory

    cpu = torch.device("cpu")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.available(cpu) > 0  # no group
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert memory.available(cpu) > 10**6
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    assert memory.available(cpu) == 100
    (tmp_path / "memory.stat").write_text("anon 500\nactive_file 50\ninactive_file 250\n")
    assert memory.available(cpu) == 400
    with pytest.raises(UserError, match=r"the weights need 1\.0 GB"):
        memory.check_weights(10**9, cpu)
