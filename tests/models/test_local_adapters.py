"""`local:ADAPTER`: the base is found, both decide the fingerprint, our tuner's files and PEFT's are asked alike."""

import json
import shutil

import pytest
from closeness import logprobs

from evalharness.engine import checkpoint
from evalharness.errors import UserError
from evalharness.models.local import open_model
from evalharness.options import LocalOptions
from evalharness.records import Message, Request
from evalharness.training import lora

ASKED = [
    Request(messages=(Message("user", "Which of these birds cannot fly?\nAnswer:"),), choices=(" A", " B", " C")),
    Request(messages=(Message("user", "The sparrow builds"),), max_tokens=12),
]


def adapter_on(folder, out, *, seed=1, base=None, **kind):
    """What our tuner writes of adapters that are no longer fresh, on a checkpoint; beside it the merged checkpoint."""
    import torch

    made = checkpoint.load_decoder(folder)
    settings = lora.Lora(rank=3, alpha=6, **kind)
    lora.attach_lora(made, settings, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for adapter in lora.adapters_by_name(made).values():
            adapter.lora_B.normal_(0, 0.3, generator=generator)
    lora.save_adapters(made, settings, out, str(folder) if base is None else base)
    lora.merge(made)
    checkpoint.save_decoder(made, out.parent / f"{out.name}-whole")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / file, out.parent / f"{out.name}-whole")
    return out


def opened(folder, **options):
    return open_model(str(folder), LocalOptions(threads=1, **options))


def answers(model):
    found = dict(model.answer(ASKED))
    return found[0].logprobs, found[1].text


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_what_our_tuner_wrote_answers_as_the_merged_model(kind, dora, request, tmp_path):
    base = request.getfixturevalue(kind)
    adapter = adapter_on(base, tmp_path / "adapter", dora=dora)
    scores, text = answers(opened(tmp_path / "adapter-whole"))
    for merge in (False, True):
        model = opened(adapter, merge_adapter=merge)
        assert answers(model) == (logprobs(list(scores)), text)
        assert model.describe()["adapter"] == {"base": str(base), "merged": merge}
    assert answers(opened(base))[0] != logprobs(list(scores), bar=1e-3)


def test_the_fingerprint_is_base_and_adapter(gpt2, llama, tmp_path):
    one, two = (adapter_on(llama, tmp_path / name, seed=n) for n, name in enumerate(("one", "two")))
    fingerprints = [opened(folder).fingerprint for folder in (llama, one, two)]
    assert len(set(fingerprints)) == 3
    assert all(each.startswith(fingerprints[0].partition("/")[0]) for each in fingerprints)
    assert opened(one, merge_adapter=True).fingerprint == fingerprints[1]
    other = shutil.copytree(llama, tmp_path / "other")
    raw = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**raw, "rms_norm_eps": 1e-5}))
    assert opened(one, base_model=str(other)).fingerprint not in fingerprints
    (one / "chat_template.jinja").write_text("{{ messages[0].content }}!")
    with_template = opened(one)
    assert with_template.chat and with_template.fingerprint not in fingerprints


def test_the_base_is_where_the_adapter_says_or_the_user(llama, tmp_path, monkeypatch):
    scores, text = answers(opened(adapter_on(llama, tmp_path / "adapter")))
    right = (logprobs(list(scores)), text)
    named = adapter_on(llama, tmp_path / "run" / "adapter", base="../base")
    shutil.copytree(llama, tmp_path / "run" / "base")
    assert answers(opened(named)) == right  # as seen from the adapter
    monkeypatch.chdir(named)
    assert answers(opened(".")) == right
    nowhere = adapter_on(llama, tmp_path / "nowhere", base="/no/such/base")
    assert answers(opened(nowhere, base_model=str(llama))) == right


def test_the_base_may_be_a_model_of_the_hub(llama, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    revision = "a" * 40
    kept = tmp_path / "hub" / "models--org--base"
    shutil.copytree(llama, kept / "snapshots" / revision)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(revision)
    scores, text = answers(opened(adapter_on(llama, tmp_path / "adapter")))
    adapter = adapter_on(llama, tmp_path / "named", base="org/base")
    for revised in (None, "main", revision):
        raw = json.loads((adapter / "adapter_config.json").read_text())
        (adapter / "adapter_config.json").write_text(json.dumps({**raw, "revision": revised}))
        assert answers(opened(adapter, template="none")) == (logprobs(list(scores)), text)
    (adapter / "adapter_config.json").write_text(json.dumps({**raw, "revision": "b" * 40}))
    with pytest.raises(UserError, match="its base model is not here") as found:
        opened(adapter)
    assert "say base_model=FOLDER" in str(found.value) and "\n" not in str(found.value)


def test_what_users_get_wrong_with_adapters(gpt2, llama, make, tmp_path):
    adapter = adapter_on(llama, tmp_path / "adapter", base="/no/such/base")
    unnamed = adapter_on(llama, tmp_path / "unnamed", base="")
    on_adapter = adapter_on(llama, tmp_path / "on", base=str(adapter))
    wide = make({**json.loads((llama / "config.json").read_text()), "hidden_size": 64})
    wrong = [
        (adapter, {}, "its base model is not here .*/no/such/base: there is no such folder"),
        (unnamed, {}, "names none.*base_model"),
        (on_adapter, {}, "is an adapter itself"),
        (adapter, {"base_model": str(wide)}, r"down_proj of shape \[32, 48\], the base model has \[64, 48\]"),
        (adapter, {"base_model": str(gpt2)}, "has no place for; it belongs to another base"),
        (llama, {"base_model": str(llama)}, "base_model is for the folder of an adapter"),
        (llama, {"merge_adapter": True}, "merge_adapter is for the folder of an adapter"),
    ]
    for folder, options, said in wrong:
        with pytest.raises(UserError, match=said) as found:
            opened(folder, **options)
        assert "\n" not in str(found.value)


def test_commands_take_an_adapter(llama, tmp_path, evalh):
    adapter = adapter_on(llama, tmp_path / "adapter", base="gone/elsewhere/base")
    sample = ("--data", "sample", "--limit", 4)
    ran = evalh("run", "mmlu", "--model", f"local:{adapter}", "--base", llama, *sample, "--json")
    assert ran.code == 0, ran.err
    manifest = json.loads(next(tmp_path.glob("runs/*/run.json")).read_text())
    assert manifest["model"]["adapter"] == {"base": str(llama), "merged": False}
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "a", "output": "b"}\n' * 8)
    refused = evalh("finetune", rows, "--model", adapter, "--out", tmp_path / "out")
    assert refused.code == 2 and "holds an adapter alone" in refused.err
    refused = evalh("run", "mmlu", "--model", f"local:{adapter}", *sample)
    assert refused.code == 2 and "say --base-model FOLDER" in refused.err
