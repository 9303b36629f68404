"""Adapters: PEFT loads our files with the same logits, and merging changes nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from closeness import BAR, apart

from evalharness.engine import checkpoint
from evalharness.engine.decoder import Decoder
from evalharness.engine.matmul import Linear
from evalharness.errors import UserError
from evalharness.training import lora
from evalharness.training.qlora import BYTES, FourBit, library, size

_spec = importlib.util.spec_from_file_location("training_support", Path(__file__).parent / "support.py")
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
    checkpoint.save_decoder(made, tmp_path / "base")
    kind = lora.Lora(rank=4, alpha=8, dora=dora)
    lora.attach_lora(made, kind, seed=1)
    ids = torch.randint(0, 300, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = made(ids)
        for adapter in lora.adapters_by_name(made).values():
            adapter.lora_B.normal_(0, 0.3)
            if adapter.magnitude is not None:
                adapter.magnitude.mul_(1.3)
        ours = made(ids)
        assert float((ours - plain).abs().max()) > 0.1
        lora.save_adapters(made, kind, tmp_path / "adapter", str(tmp_path / "base"))
        base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
        theirs = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").eval()(ids).logits
        assert apart(ours, theirs) < BAR
        lora.merge(made)
        assert apart(made(ids), ours) < BAR
    assert not lora.adapters_by_name(made)


def test_only_adapters_learn_and_a_fresh_one_changes_nothing() -> None:
    made = support.decoder()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        before = made(ids)
        lora.attach_lora(made, lora.Lora(rank=2, alpha=2), seed=0)
        assert torch.equal(before, made(ids))
    assert all("lora_" in name for name, p in made.named_parameters() if p.requires_grad)


def four_bit(made: Decoder, kind: lora.Lora) -> Decoder:
    """Adapters that are no longer fresh on weights in four bits."""
    lora.attach_lora(made, kind, 1, lambda linear: FourBit(linear, torch.device("cpu"), torch.float32))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for adapter in lora.adapters_by_name(made).values():
            adapter.lora_B.normal_(0, 0.05, generator=generator)
    return made


@pytest.mark.filterwarnings("ignore")
def test_peft_on_a_model_loaded_in_4_bits_has_equal_logits(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    checkpoint.save_decoder(support.decoder(support.LLAMA), tmp_path / "base")
    kind = lora.Lora(rank=4, alpha=8, four_bit=True)
    made = four_bit(checkpoint.load_decoder(tmp_path / "base"), kind)
    lora.save_adapters(made, kind, tmp_path / "adapter", str(tmp_path / "base"))
    ids = torch.randint(0, 300, (2, 20), generator=torch.Generator().manual_seed(0))
    config = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype="float32"
    )
    base = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", quantization_config=config, device_map="cpu", dtype=torch.float32
    )
    with torch.no_grad():
        ours = made(ids)
        # Asked, not trained, bitsandbytes multiplies on some CPUs in bfloat16.
        theirs = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").train()(ids).logits
        assert apart(ours, theirs) < BAR
        assert (
            float((ours - checkpoint.load_decoder(tmp_path / "base")(ids)).abs().max()) > 0.05
        )  # four bits are not all bits
        lora.merge(made)
        assert apart(made(ids), ours) < BAR
        checkpoint.save_decoder(made, tmp_path / "merged")  # an ordinary model again
        assert torch.equal(made(ids), checkpoint.load_decoder(tmp_path / "merged")(ids))


@pytest.mark.parametrize("transposed", [False, True], ids=["[out, in]", "[in, out]"])
@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_gradients_on_four_bits_are_those_on_the_weights_they_stand_for(transposed: bool, dora: bool) -> None:
    pytest.importorskip("bitsandbytes")
    linear = Linear(64, 96, bias=True, transposed=transposed)
    assert linear.weight is not None and linear.bias is not None
    with torch.no_grad():
        linear.weight.normal_(0, 0.02)
        linear.bias.normal_()
    linear.requires_grad_(False)
    few = FourBit(linear, torch.device("cpu"), torch.float32)
    assert size(few) == size(linear) == 64 * 96 + 96
    assert few.codes.numel() == 64 * 96 // 2 and BYTES >= 0.5 + 1 / 64
    assert 0 < float((few.matrix - linear.matrix).abs().max()) < 0.16 * float(linear.matrix.abs().max())
    kind = lora.Lora(rank=2, alpha=4, dora=dora)
    pair = [lora.Adapted(base, kind, torch.Generator().manual_seed(0)) for base in (few, few.plain())]
    found = []
    for adapted in pair:
        x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        with torch.no_grad():
            adapted.lora_B.fill_(0.01)
        y = adapted(x)
        (y**2).sum().backward()
        found.append((y.detach(), x.grad, adapted.lora_A.grad, adapted.lora_B.grad))
    assert all(apart(a, b) < BAR for a, b in zip(*found, strict=True))


def test_without_bitsandbytes_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"evalharness\[qlora\]"):
        library()
