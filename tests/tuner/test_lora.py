"""Adapters: PEFT loads our files with the same logits, and merging changes nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from evalharness.network import checkpoint
from evalharness.tuner import lora

_spec = importlib.util.spec_from_file_location("tuner_support", Path(__file__).parent / "support.py")
assert _spec is not None
support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(support)  # type: ignore[union-attr]


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
@pytest.mark.parametrize("raw", [support.LLAMA, support.GPT2], ids=["llama", "gpt2"])
@pytest.mark.filterwarnings("ignore")
def test_peft_loads_the_adapters_with_equal_logits(raw: dict, dora: bool, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    made = support.decoder(raw)
    checkpoint.save(made, tmp_path / "base")
    kind = lora.Lora(rank=4, alpha=8, dora=dora)
    lora.attach(made, kind, seed=1)
    ids = torch.randint(0, 300, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = made(ids)
        for adapter in lora.adapters(made).values():
            adapter.lora_B.normal_(0, 0.3)
            if adapter.magnitude is not None:
                adapter.magnitude.mul_(1.3)
        ours = made(ids)
        assert float((ours - plain).abs().max()) > 0.1
        lora.save(made, kind, tmp_path / "adapter", str(tmp_path / "base"))
        base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
        theirs = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").eval()(ids).logits
        assert float((ours - theirs).abs().max()) < 1e-4 * float(ours.abs().max())
        lora.merge(made)
        assert float((ours - made(ids)).abs().max()) < 1e-4 * float(ours.abs().max())
    assert not lora.adapters(made)


def test_only_adapters_learn_and_a_fresh_one_changes_nothing() -> None:
    made = support.decoder()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        before = made(ids)
        lora.attach(made, lora.Lora(rank=2, alpha=2), seed=0)
        assert torch.equal(before, made(ids))
    assert all("lora_" in name for name, p in made.named_parameters() if p.requires_grad)
