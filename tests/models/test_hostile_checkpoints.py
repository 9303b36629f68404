"""No checkpoint is code: nothing that a folder of weights brings is run, asked about, or read from somewhere else."""

import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.engine.fingerprint import checkpoint_fingerprint
from evalharness.errors import UserError
from evalharness.options import LocalOptions

CODE = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.Evil"}
EVIL = "import os\nos.system('touch owned')\nclass EvilConfig: pass\nclass Evil: pass\n"


class Bomb:
    def __reduce__(self):
        return os.system, ("touch owned",)


@pytest.fixture
def folder(llama, tmp_path, monkeypatch):
    """A copy of a good checkpoint, in an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked on the terminal"))
    shutil.copytree(llama, tmp_path / "ckpt")
    (tmp_path / "ckpt" / "evil.py").write_text(EVIL)
    return tmp_path / "ckpt"


def change(file: Path, **said) -> None:
    before = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**before, **said}))


def refused(folder: Path, backend: str = "auto") -> str:
    with pytest.raises(UserError) as found:
        plugins.load_model(f"local:{folder}", LocalOptions(backend=backend))
    assert "\n" not in str(found.value) and not Path("owned").exists()
    return str(found.value)


@pytest.mark.parametrize("backend", ["auto", "hf"])
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("config.json", {"model_type": "evil", "auto_map": CODE}),
        ("config.json", {"model_type": "bloom", "auto_map": CODE}),
        ("config.json", {"model_type": "evil", "text_config": {"model_type": "evil", "auto_map": CODE}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}),
        ("generation_config.json", {"auto_map": CODE}),
    ],
)
def test_code_of_a_checkpoint_is_one_line(folder, backend, file, said):
    change(folder / "config.json", model_type="bloom")
    change(folder / file, **said)
    assert "auto_map: the checkpoint brings Python of its own" in refused(folder, backend)


def test_the_native_decoder_never_runs_code_either(folder):
    change(folder / "config.json", auto_map=CODE, trust_remote_code=True)
    model = plugins.load_model(f"local:{folder}", LocalOptions())
    assert model.describe()["backend"] == "native" and not Path("owned").exists()
    assert "auto_map" in refused(folder, "hf")


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pth", "consolidated.00.pth", "pytorch_model.bin.index.json"]
)
@pytest.mark.parametrize("backend", ["auto", "native", "hf"])
def test_pickled_weights_are_refused_everywhere(folder, name, backend):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    (folder / name).write_bytes(
        json.dumps({"weight_map": {"a": "pytorch_model.bin"}}).encode()
        if name.endswith("json")
        else pickle.dumps(Bomb())
    )
    assert "wanted *.safetensors" in refused(folder, backend)


@pytest.mark.parametrize("backend", ["auto", "hf"])
def test_a_pickle_called_safetensors_is_refused(folder, backend):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    assert "not a whole safetensors file" in refused(folder, backend)


@pytest.mark.parametrize("backend", ["auto", "hf"])
@pytest.mark.parametrize(
    "shard",
    [
        "../other/model.safetensors", "/etc/passwd", "/tmp/x.safetensors", "..", "sub/x.safetensors",
        "a\\b.safetensors",
        "x\0.safetensors", "pytorch_model.bin", "", 7, None, ["model.safetensors"],
    ],
)  # fmt: skip
def test_an_index_stays_in_its_folder(folder, backend, shard):
    other = folder.parent / "other"
    other.mkdir()
    shutil.copy(folder / "model.safetensors", other)
    index = {"weight_map": {"model.norm.weight": shard, "lm_head.weight": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names the file" in refused(folder, backend)


@pytest.mark.parametrize(
    "index", ["[]", "{}", '{"weight_map": []}', '{"weight_map": 3}', "[" * 100000, "nope", "1" * 9000]
)
def test_an_index_of_another_kind_is_one_line(folder, index):
    (folder / "model.safetensors.index.json").write_text(index)
    assert "model.safetensors.index.json" in refused(folder)


def test_nothing_is_taken_from_the_hub_or_from_an_adapter_s_base(folder):
    change(folder / "config.json", attn_implementation="evil/kernels")
    assert "names code on the hub" in refused(folder, "hf")
    change(folder / "config.json", attn_implementation=None)
    change(folder / "adapter_config.json", base_model_name_or_path="/elsewhere", peft_type="LORA")
    assert "holds an adapter" in refused(folder, "hf")


@pytest.mark.parametrize(
    "file",
    [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "chat_template.jinja", "chat_template.json", "model.safetensors", "vocab.json", "x.tiktoken",
    ],
)  # fmt: skip
def test_every_file_that_is_read_counts_in_the_fingerprint(folder, file):
    before = checkpoint_fingerprint(folder)
    (folder / file).write_bytes((folder / file).read_bytes() + b" " if (folder / file).is_file() else b"{}")
    assert checkpoint_fingerprint(folder) != before


@pytest.mark.parametrize("kept", ["[]", "{", '{"PATH": 7}', '{"PATH": [[1, 2, 3], 5]}', '{"PATH": null}', "[" * 99999])
def test_a_damaged_cache_of_digests_changes_no_fingerprint(folder, kept, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    right = checkpoint_fingerprint(folder)
    (tmp_path / "cache" / "evalharness" / "digests.json").write_text(kept.replace("PATH", str(folder / "config.json")))
    assert checkpoint_fingerprint(folder) == right


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("text", ["[" * 100000, "{" * 100000, "9" * 9000, "\ud800", '{"a": NaN', "", "null", "[]", "7"])
def test_odd_json_beside_the_weights_is_one_line(folder, file, text):
    (folder / file).write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        plugins.load_model(f"local:{folder}", LocalOptions())
    except UserError as error:
        assert "\n" not in str(error) and file in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**9), ("num_hidden_layers", "many"), ("num_hidden_layers", -1), ("hidden_size", 10**12),
        ("vocab_size", 10**30), ("max_position_embeddings", 10**15), ("intermediate_size", 1e300), ("rope_theta", "x"),
        ("rope_scaling", 7), ("rope_scaling", {"rope_type": []}), ("rope_parameters", [1]), ("hidden_act", []),
        ("layer_types", 3), ("num_attention_heads", 0), ("num_key_value_heads", 0.5), ("head_dim", -4),
        ("rms_norm_eps", None), ("tie_word_embeddings", {}), ("text_config", {"model_type": []}), ("model_type", {}),
    ],
)  # fmt: skip
def test_odd_sizes_are_one_line_and_take_no_memory(folder, key, value):
    change(folder / "config.json", **{key: value})
    try:
        plugins.load_model(f"local:{folder}", LocalOptions(backend="native"))
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("backend", ["auto", "hf"])
@pytest.mark.parametrize(
    "header",
    [
        b"{}", b"[]", b"7", b"[" * 5000,
        b'{"a": 7}', b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 9999]}}',
        b'{"a": {"dtype": "X", "shape": [1], "data_offsets": [0, 4]}}', b'{"__metadata__": 7}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_odd_safetensors_are_one_line(folder, header, backend):
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    refused(folder, backend)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**63) + header)
    refused(folder, backend)


def test_merges_are_read_from_the_folder_and_from_nowhere_else(tmp_path, monkeypatch):
    """tiktoken would keep the first reading under the file's name in the temporary folder."""
    from evalharness.engine.tokenizer import BYTE_OF, _gpt2_ranks

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for pair in ("a b", "c d"):
        names = {letter: byte for byte, letter in enumerate(BYTE_OF)} | {pair.replace(" ", ""): 256}
        (tmp_path / "vocab.bpe").write_text(f"#version: 0.2\n{pair}\n")
        (tmp_path / "encoder.json").write_text(json.dumps(names))
        _, ranks = _gpt2_ranks(tmp_path / "vocab.bpe", tmp_path / "encoder.json")
        assert pair.replace(" ", "").encode() in ranks
    assert sorted(p.name for p in tmp_path.iterdir()) == ["encoder.json", "vocab.bpe"]
    (tmp_path / "encoder.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="do not belong together"):
        _gpt2_ranks(tmp_path / "vocab.bpe", tmp_path / "encoder.json")
