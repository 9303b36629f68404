"""Adapters that PEFT wrote give what PEFT computes, share the base's weights, and what does not fit is one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import BAR, apart

from evalharness.engine.base import Continuation, EngineSettings, GenerationRequest
from evalharness.engine.loading import open_engine
from evalharness.engine.matmul import Linear
from evalharness.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore")
IDS = torch.randint(0, 160, (2, 40), generator=torch.Generator().manual_seed(1))
MLP_AND_QUERY = {"llama3": ["q_proj", "down_proj"], "gpt2": ["c_attn", "c_proj"], "phi3": ["qkv_proj", "down_proj"]}
# (family of the base, LoraConfig beside r and alpha)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("llama3", {}),
    "gpt2": ("gpt2", {"fan_in_fan_out": True}),
    "fused": ("phi3", {}),
    "dora": ("llama3", {"use_dora": True}),
    "dora-biased": ("llama2", {"use_dora": True}),
    "dora-gpt2": ("gpt2", {"use_dora": True, "fan_in_fan_out": True}),
    "rslora": ("llama3", {"use_rslora": True}),
    "patterns": ("llama3", {"rank_pattern": {"q_proj": 2, r"layers\.[01]\.mlp\.down_proj": 5},
                            "alpha_pattern": {"model.layers.1.self_attn.q_proj": 32}}),
    "all": ("llama3", {"target_modules": "all-linear"}),
    "head": ("llama3", {"target_modules": ["v_proj", "lm_head"]}),
    "modules": ("llama3", {"modules_to_save": ["lm_head", "embed_tokens", "input_layernorm"]}),
    "embedding": ("llama3", {"target_modules": ["embed_tokens", "k_proj"]}),
    "tied-head": ("phi4-mini", {"modules_to_save": ["lm_head"], "target_modules": ["o_proj"]}),
    "tied-head-lora": ("phi4-mini", {"target_modules": ["o_proj", "lm_head"]}),
    "tied-embedding": ("gemma2", {"target_modules": ["embed_tokens", "o_proj"]}),
    "tied-embedding-saved": ("gemma2", {"modules_to_save": ["embed_tokens"], "target_modules": ["o_proj"]}),
    "biases": ("llama2", {"bias": "all"}),
    "own-biases": ("qwen2", {"bias": "lora_only", "lora_bias": True}),
    "gaussian": ("qwen3", {"init_lora_weights": "gaussian", "layers_to_transform": [1, 2]}),
}  # fmt: skip


@pytest.fixture(scope="session")
def with_peft(
    written: Callable[..., tuple[Any, Path]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Any, Path, Path]]:
    """(PEFT's model, the folder of its base, the folder of the adapter) of a kind, made once."""
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    made: dict[str, tuple[Any, Path, Path]] = {}

    def make(kind: str) -> tuple[Any, Path, Path]:
        if kind not in made:
            family, fields = KINDS[kind]
            base, folder = written(family)[1], tmp_path_factory.mktemp(kind)
            wanted = {"target_modules": MLP_AND_QUERY.get(family, ["q_proj", "down_proj"]), **fields}
            plain = transformers.AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")
            torch.manual_seed(3)
            model = peft.get_peft_model(plain, peft.LoraConfig(r=4, lora_alpha=6, task_type="CAUSAL_LM", **wanted))
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if parameter.requires_grad:
                        move = 0.1 * torch.randn_like(parameter)
                        parameter.copy_(parameter * (1 + move) if "magnitude" in name else parameter + move)
            model.save_pretrained(folder)
            made[kind] = (model.eval(), base, folder)
        return made[kind]

    return make


def engine_on(base: Path, adapter: Path | None, **settings: Any) -> Any:
    return open_engine(base, EngineSettings(threads=1, adapter=adapter, **settings))


@torch.no_grad()
def distance(engine: Any, theirs: Any) -> float:
    return apart(engine.decoder(IDS), theirs(IDS).logits)


@pytest.mark.parametrize("merge", [False, True], ids=["shared", "merged"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_logits_equal_peft(kind, merge, with_peft):
    theirs, base, folder = with_peft(kind)
    with torch.no_grad(), theirs.disable_adapter():
        plain = theirs(IDS).logits
    engine = engine_on(base, folder, merge_adapter=merge)
    assert distance(engine, theirs) < BAR
    with torch.no_grad():
        assert apart(engine.decoder(IDS), plain) > 100 * BAR


PAIRS = [("lora", "dora"), ("head", "modules"), ("gpt2", "dora-gpt2"), ("tied-head", "tied-head-lora")]


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_two_adapters_share_a_base_whose_weights_were_packed_before(one, two, with_peft):
    (theirs, base, folder), (other, same_base, other_folder) = with_peft(one), with_peft(two)
    assert base == same_base
    first = engine_on(base, folder)
    first.routes = {"loglikelihood": "packed", "generate": "packed"}
    requests = [GenerationRequest(ids=tuple(IDS[0, :12].tolist()), max_tokens=12)]
    prompts = [[Continuation(IDS[0, :9].numpy(), IDS[0, 9:12].numpy())]]
    assert [len(list(first.loglikelihood(prompts))), len(list(first.generate(requests, bytes)))] == [1, 1]
    second = engine_on(base, other_folder)  # made of a base whose plain weights are gone
    assert second.base is first.base
    matrices = [m for block in first.base.decoder.blocks for m in block.modules() if isinstance(m, Linear)]
    for engine in (first, second):
        own = {id(module) for module in engine.decoder.modules()}
        assert all(matrix.weight is None and id(matrix) in own for matrix in matrices)
    for engine, model in ((first, theirs), (second, other)):
        assert distance(engine, model) < BAR
        written = model.generate(IDS[:1, :12], max_new_tokens=12, do_sample=False, eos_token_id=None)[0, 12:].tolist()
        assert dict(engine.generate(requests, bytes))[0].tokens == written
    merged = engine_on(base, folder, merge_adapter=True)
    assert merged.base is None
    assert distance(merged, theirs) < BAR


def test_a_base_is_given_up_with_the_last_adapter_on_it(with_peft):
    from evalharness.engine.loading import _bases

    _, base, folder = with_peft("rslora")
    before = len(_bases)
    engines = [engine_on(base, folder) for _ in range(2)]
    assert len(_bases) <= before + 1 and engines[0].base is engines[1].base
    assert engines[0].parameters == engines[1].parameters
    del engines
    import gc

    gc.collect()
    assert len(_bases) <= before


def test_added_tokens_come_with_their_rows(written, tmp_path):
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    base = written("llama3")[1]
    model = transformers.AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")
    model.resize_token_embeddings(164, mean_resizing=False)
    theirs = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")).eval()
    theirs.save_pretrained(tmp_path, save_embedding_layers=True)
    engine = engine_on(base, tmp_path)
    ids = torch.tensor([[1, 163, 5, 161]])
    with torch.no_grad():
        assert engine.vocabulary == 164 and apart(engine.decoder(ids), theirs(ids).logits) < BAR


BY_PEFT: dict[str, tuple[str, dict[str, Any]]] = {
    "tokens": ("llama3", {"trainable_token_indices": [3, 9]}),
    "experts": ("mixtral", {"target_modules": ["q_proj"], "target_parameters": ["mlp.experts.gate_up_proj"]}),
}


@pytest.mark.parametrize("merge", [False, True], ids=["unmerged", "merged"])
@pytest.mark.parametrize("kind", sorted(BY_PEFT))
def test_what_the_native_decoder_does_not_know_peft_puts_on(kind, merge, with_peft, monkeypatch):
    monkeypatch.setitem(KINDS, kind, BY_PEFT[kind])
    theirs, base, folder = with_peft(kind)
    engine = engine_on(base, folder, merge_adapter=merge)
    assert "an adapter that sets t" in engine.describe()["why"]
    with torch.no_grad():
        assert apart(engine.model(IDS).logits, theirs(IDS).logits) < BAR
        assert engine.passes.texts(IDS.tolist()).logits.shape == (2, 40, 160)


@pytest.mark.parametrize("merge", [False, True], ids=["unmerged", "merged"])
def test_on_the_transformers_backend(merge, with_peft):
    theirs, base, folder = with_peft("dora")
    engine = engine_on(base, folder, merge_adapter=merge, backend="hf")
    with torch.no_grad():
        assert apart(engine.model(IDS).logits, theirs(IDS).logits) < BAR


def change(folder: Path, to: Path, **fields: Any) -> Path:
    shutil.copytree(folder, to, dirs_exist_ok=True)
    raw = {**json.loads((to / "adapter_config.json").read_text()), **fields}
    (to / "adapter_config.json").write_text(json.dumps(raw))
    return to


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"peft_type": "IA3"}, "does not know an adapter of the kind IA3"),
        ({"peft_type": "XLORA"}, "peft_type 'XLORA'; wanted LORA"),
        ({"peft_type": None}, "peft_type None; wanted LORA"),
        ({"megatron_config": {"a": 1}}, "import a module by name; that is never done"),
        ({"r": 8}, r"says r = 8; they do not belong together"),
        ({"r": 0}, "ranks must be 1 or more"),
        ({"r": "many"}, "wrong kind"),
        ({"lora_alpha": None}, "wrong kind"),
        ({"rank_pattern": [1]}, "wrong kind"),
        ({"rank_pattern": {"(": 3}}, "not a valid regular expression"),
        ({"alpha_pattern": {"q_proj": "x"}}, "wrong kind"),
        ({"init_lora_weights": "pissa"}, "whose start changes the base"),
        ({"target_parameters": ["experts.gate_up_proj"]}, "sets target_parameters"),
        ({"layer_replication": [[0, 2]]}, "sets layer_replication"),
        ({"rank_pattern": {r"(\w|\w\w|\w{3}|\w{4}|.)*[xyz]\d": 4}}, "takes more than"),
    ],
)
def test_settings_that_are_not_known_are_one_line(fields, said, with_peft, tmp_path):
    _, base, folder = with_peft("lora")
    changed = change(folder, tmp_path / "changed", **fields)
    with pytest.raises(UserError, match=said) as found:
        engine_on(base, changed, backend="native")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("backend", ["native", "hf"])
@pytest.mark.parametrize("other", ["qwen3", "gpt2", "gemma"])
def test_an_adapter_of_another_base_is_one_line(other, backend, with_peft, written):
    _, _, folder = with_peft("lora")
    with pytest.raises(UserError, match=r"another base|cannot put") as found:
        engine_on(written(other)[1], folder, backend=backend)
    assert "\n" not in str(found.value)


def test_damaged_weights_are_one_line(with_peft, tmp_path):
    from safetensors.torch import load_file, save_file

    _, base, folder = with_peft("lora")
    file = change(folder, tmp_path / "changed") / "adapter_model.safetensors"
    whole = load_file(file)
    name = next(iter(whole))
    for tensors, said in (
        ({k: v for k, v in whole.items() if k != name}, "wanted both matrices"),
        ({**whole, name: torch.full_like(whole[name], torch.nan)}, "not numbers"),
        ({**whole, "base_model.model.model.layers.9.mlp.weight": torch.ones(2)}, "no place for"),
        ({}, "holds no tensor"),
    ):
        save_file(tensors, file)
        with pytest.raises(UserError, match=said):
            engine_on(base, file.parent)
    file.write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a whole safetensors file"):
        engine_on(base, file.parent)
    file.rename(file.with_name("adapter_model.bin"))
    with pytest.raises(UserError, match="pickled"):
        engine_on(base, file.parent)
