"""Tokenizers read from every kind of file give the published ids, and refuse what does not belong together."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.engine.tokenizer import CL100K, ENCODINGS, O200K, R50K, open_tokenizer
from evalharness.errors import UserError

DATA = Path(__file__).parents[2].parent / "shared" / "data"
TEXTS = ["Hello world!\n\nAnswer: A", "  it's 12345 naïve — 日本語\r\n\t", "<|endoftext|> is text", "", " "]
needs_ranks = pytest.mark.skipif(not (DATA / "tiktoken").is_dir(), reason="the shared data folder is absent")


def test_patterns_are_those_of_tiktoken(monkeypatch):
    public = pytest.importorskip("tiktoken_ext.openai_public")
    monkeypatch.setattr(public, "load_tiktoken_bpe", lambda *_, **__: {})
    assert public.r50k_pat_str == R50K
    assert public.cl100k_base()["pat_str"] == CL100K
    assert public.o200k_base()["pat_str"] == O200K


@needs_ranks
def test_gpt2_files_equal_the_ranks(tmp_path):
    pair = open_tokenizer(DATA / "gpt2-bpe", 50257)
    ranks = open_tokenizer(tmp_path, 50257, str(DATA / "tiktoken" / "r50k_base.tiktoken"))
    assert pair.encode("Hello world!\n\nAnswer: A") == [15496, 995, 0, 198, 198, 33706, 25, 317]
    for text in TEXTS:
        assert pair.encode(text) == ranks.encode(text)
        assert pair.decode_bytes(pair.encode(text)).decode() == text
    assert (pair.size, pair.eos, pair.specials, pair.adds_bos) == (50257, 50256, {"<|endoftext|>": 50256}, False)


@needs_ranks
@pytest.mark.parametrize(("file", "count"), [("cl100k_base", 100256), ("o200k_base", 199998)])
def test_newer_vocabularies(file, count, tmp_path):
    found = open_tokenizer(tmp_path, 200_100, str(DATA / "tiktoken" / f"{file}.tiktoken"))
    assert found.eos == ENCODINGS[count].end
    for text in TEXTS:
        assert found.decode_bytes(found.encode(text)).decode() == text


@needs_ranks
def test_tiktokens_cache_is_used_and_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    cached = tmp_path / ENCODINGS[50256].cached
    cached.write_bytes((DATA / "tiktoken" / "r50k_base.tiktoken").read_bytes())
    assert open_tokenizer(tmp_path, 50257).encode("Answer: A") == [33706, 25, 317]
    cached.write_bytes(b"YQ== 0\n")
    with pytest.raises(UserError, match="sha256 differs"):
        open_tokenizer(tmp_path, 50257)


@needs_ranks
def test_tokenizer_json_equals_tiktoken(tmp_path):
    library = pytest.importorskip("tokenizers")
    names = json.loads((DATA / "gpt2-bpe" / "encoder.json").read_text())
    lines = (DATA / "gpt2-bpe" / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:-1]
    made = library.Tokenizer(library.models.BPE(vocab=names, merges=[tuple(line.split(" ")) for line in lines]))
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    made.save(str(tmp_path / "tokenizer.json"))
    ours, other = open_tokenizer(tmp_path, 50257), open_tokenizer(DATA / "gpt2-bpe", 50257)
    for text in TEXTS:
        assert ours.encode(text) == other.encode(text)
        assert ours.decode_bytes(ours.encode(text)) == other.decode_bytes(other.encode(text)) == text.encode()
    assert ours.specials == other.specials


def sentencepiece_like(folder):
    """Metaspace tokens with byte fallback, as Llama 2, Gemma and Mistral have them."""
    library = pytest.importorskip("tokenizers")
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "▁a": 4, "b": 5, "a": 6}
    vocab |= {f"<0x{i:02X}>": 7 + i for i in range(256)}
    made = library.Tokenizer(
        library.models.BPE(vocab=vocab, merges=[("▁", "a")], byte_fallback=True, unk_token="<unk>")
    )
    made.normalizer = library.normalizers.Replace(" ", "▁")
    made.decoder = library.decoders.Sequence(
        [library.decoders.Replace("▁", " "), library.decoders.ByteFallback(), library.decoders.Fuse()]
    )
    made.add_special_tokens(["<s>", "</s>", "<unk>"])
    made.post_processor = library.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.save(str(folder / "tokenizer.json"))


def test_byte_fallback_and_bos_from_the_post_processor(tmp_path):
    sentencepiece_like(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": [2, 5]}))
    found = open_tokenizer(tmp_path, 300)
    assert (found.bos, found.eos, found.adds_bos) == (1, 2, True)
    ids = found.encode(" a b é")
    assert 1 not in ids and found.decode_bytes(ids).decode() == " a b é"
    assert found.decode_bytes([9999]) == b""
    assert found.encode("<s>")[0] != 1  # user text is never a control token
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "add_bos_token": False}))
    assert open_tokenizer(tmp_path, 300).adds_bos is False


def test_a_tokenizer_that_does_not_fit_the_embedding(tmp_path):
    sentencepiece_like(tmp_path)
    with pytest.raises(UserError, match=r"ids up to 262, the embedding has 200 rows"):
        open_tokenizer(tmp_path, 200)


def test_none_and_broken_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    with pytest.raises(UserError, match=r"tokenizer\.json.*with tokenizer.*TIKTOKEN_CACHE_DIR"):
        open_tokenizer(tmp_path, 50257)
    (tmp_path / "x.tiktoken").write_bytes(b"YQ== zero\n")
    with pytest.raises(UserError, match="not a file of ranks"):
        open_tokenizer(tmp_path, 50257)
    (tmp_path / "x.tiktoken").write_bytes(b"YQ== 0\n")
    with pytest.raises(UserError, match="1 ranks belong to no vocabulary"):
        open_tokenizer(tmp_path, 50257)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="not a tokenizer"):
        open_tokenizer(tmp_path, 50257)


PARTS = st.sampled_from(
    ["foo", " bar", "\n", "\n\n", "  ", " ", "\t", "'ll", "12345", "...", " $x", "é", "日本", "\r\n", "a", ":", " A"]
)


@needs_ranks
@pytest.mark.parametrize("pattern", [None, CL100K, O200K])
def test_encoding_from_where_texts_differ_is_exact(pattern, tmp_path_factory):
    library = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("incremental")
    names = json.loads((DATA / "gpt2-bpe" / "encoder.json").read_text())
    lines = (DATA / "gpt2-bpe" / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:-1]
    made = library.Tokenizer(library.models.BPE(vocab=names, merges=[tuple(line.split(" ")) for line in lines]))
    level = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    if pattern is not None:
        level = library.pre_tokenizers.Sequence(
            [library.pre_tokenizers.Split(library.Regex(pattern), "isolated"), level]
        )
    made.pre_tokenizer = level
    made.post_processor = library.processors.ByteLevel(trim_offsets=True)
    made.save(str(folder / "tokenizer.json"))
    ours = open_tokenizer(folder, 50257)
    assert ours._incremental is not None

    @given(st.lists(st.tuples(st.integers(0, 40), st.lists(PARTS, max_size=12)), min_size=2, max_size=6))
    @settings(max_examples=60, deadline=None)
    def check(edits):
        text = "The following are questions.\n\n"
        for kept, parts in edits:
            text = text[:kept] + "".join(parts)
            assert ours.encode(text) == made.encode(text).ids

    check()
