"""The pretraining script: its schedule, its text, and a decoder that is the shipped model's."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from closeness import logprobs

from evalharness import plugins, tiny
from evalharness.options import LocalOptions
from evalharness.records import Message, Request

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(TOOLS))
    try:
        import pretrain_tiny

        yield pretrain_tiny
    finally:
        sys.path.remove(str(TOOLS))
        sys.modules.pop("pretrain_tiny", None)


def test_the_schedule_warms_up_holds_and_falls(script):
    recipe = script.Recipe()
    rates = [recipe.rate(step) for step in range(recipe.steps)]
    assert recipe.steps == 9600
    assert rates[0] == pytest.approx(1 / 30) and set(rates[30:5760]) == {1.0}
    assert all(a >= b for a, b in itertools.pairwise(rates[30:])) and rates[-1] < 0.025


def test_the_script_s_decoder_is_the_engine_s(script):
    import torch
    from safetensors.torch import load_file

    decoder = script.Decoder(script.Shape(), 0)
    stored = load_file(tiny.MODEL_FOLDER / "model.safetensors")
    decoder.load_state_dict({name.removeprefix("model."): tensor.float() for name, tensor in stored.items()})
    assert sum(p.numel() for p in decoder.parameters()) == 1_541_760
    model = plugins.load_model("tiny", LocalOptions(threads=1))
    asked = model.rendering.ask([Message("user", "Name the capital of Peru.")]).ids
    choices = ("Lima", "Quito", "The capital of Peru is Lima.")
    ((_, ours),) = model.answer([Request(messages=(Message("user", "Name the capital of Peru."),), choices=choices)])
    for choice, logprob in zip(choices, ours.logprobs, strict=True):
        tail = model.tokenizer.encode(choice)
        with torch.no_grad():
            logits = decoder(torch.tensor([asked + tail]))[0, len(asked) - 1 : -1].log_softmax(-1)
        assert float(logits.gather(1, torch.tensor(tail)[:, None]).sum()) == logprobs(logprob)


def test_tokens_are_documents_and_ends(script):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tiny.MODEL_FOLDER / "tokenizer.json"))
    ids = script.tokens(tokenizer, "test", 3000)
    assert len(ids) == 3000 and 20 < (ids == script.END).sum() < 300
    documents = script.written.documents("test")
    first, _, _ = tokenizer.decode(ids.tolist(), skip_special_tokens=False).partition("<|endoftext|>")
    assert first == next(documents)


@pytest.mark.slow
def test_two_trainings_have_the_same_bits(script, tmp_path):
    """What regenerating the shipped weights rests on; the whole run takes an hour."""
    import torch

    code = "import sys, pathlib, pretrain_tiny as p; p.train(pathlib.Path(sys.argv[1]), p.Recipe(tokens=23040), None)"
    for name in ("one", "two"):
        line = [sys.executable, "-c", code, str(tmp_path / name)]
        subprocess.run(line, cwd=TOOLS, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True)
    first, second = (script.load(tmp_path / name).state_dict() for name in ("one", "two"))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
