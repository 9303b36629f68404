"""Tokenizers of local models: tokenizer.json through `tokenizers`, byte-pair ranks through `tiktoken`.

https://github.com/huggingface/tokenizers, https://github.com/openai/tiktoken. Both behind one small face (what
`chat` and the engine need), so that inference and training use the same ids.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import orjson

from evalharness.chat.control_tokens import NO_HABITS, Habits, pattern_of_added
from evalharness.chat.tokenizer import ChatTokenizer
from evalharness.data.files import json_value
from evalharness.engine.incremental_encoding import IncrementalEncoder, splits_by_pattern
from evalharness.errors import UserError, option_name


class Tokenizer(ChatTokenizer, Protocol):
    """Text to ids and back, as rendering needs it. `size` is one more than the largest id; ids without a token stand
    for no bytes. `files` are what it was read from.
    """

    @property
    def files(self) -> tuple[Path, ...]: ...
    @property
    def habits(self) -> Habits: ...
    def encode_inside(self, text: str) -> list[int]:
        """As `encode`, of text that stands behind a control token."""
        ...


# The splitting patterns are part of the vocabularies (https://github.com/openai/tiktoken, tiktoken_ext/openai_public.py
# keeps the newer two inside functions that download).
R50K = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"""
    r"""|\s+(?!\S)|\s"""
)
_WORD = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join(
    (
        _WORD + r"*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _SUFFIX,
        _WORD + r"+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _SUFFIX,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of tiktoken's vocabularies: its pattern, its end of text, and the name and digest of its cached file."""

    name: str
    pattern: str
    end: int
    cached: str
    sha256: str


# By number of ranks. The cached file is called by the sha1 of the address that tiktoken downloads it from.
ENCODINGS: dict[int, Encoding] = {
    50256: Encoding(
        "r50k_base", R50K, 50256, "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4",
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    ),
    100256: Encoding(
        "cl100k_base", CL100K, 100257, "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    199998: Encoding(
        "o200k_base", O200K, 199999, "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}  # fmt: skip
END = "<|endoftext|>"


def open_tokenizer(folder: Path, vocabulary: int, file: str | None = None) -> Tokenizer:
    """The tokenizer of a checkpoint folder with an embedding of `vocabulary` rows; `file` as the user named it.

    Order: the named file; tokenizer.json; ranks in the folder (`vocab.bpe` and `encoder.json`, `merges.txt` and
    `vocab.json`, `*.tiktoken`); tiktoken's cache for a vocabulary of that size. UserError where there is none, where
    a file is broken, and where the tokenizer has ids that the embedding has no row for.
    """
    found = _named(Path(file), folder) if file else _in_folder(folder) or _in_cache(vocabulary)
    if found is None:
        raise UserError(
            f"{folder}: wanted tokenizer.json (or vocab.bpe and encoder.json, or a .tiktoken file), there is none; "
            f"copy it there, name one with {option_name('tokenizer')}, or set TIKTOKEN_CACHE_DIR"
        )
    if found.size > vocabulary:
        raise UserError(
            f"{found.files[0]}: the tokenizer has ids up to {found.size - 1}, the embedding has {vocabulary} rows; "
            "they do not belong together"
        )
    return found


def has_tokenizer(folder: Path) -> bool:
    """Whether there is something in a folder that `open_tokenizer` reads."""
    pairs = (("vocab.bpe", "encoder.json"), ("merges.txt", "vocab.json"))
    whole = (folder / "tokenizer.json").is_file() or any(folder.glob("*.tiktoken"))
    return whole or any(all((folder / name).is_file() for name in pair) for pair in pairs)


def _named(file: Path, folder: Path) -> Tokenizer:
    if file.is_dir():
        found = _in_folder(file)
        if found is not None:
            return found
    if not file.is_file():
        raise UserError(
            f"{option_name('tokenizer', file)}: there is no such file; name a tokenizer.json or a .tiktoken file"
        )
    return Ranks(*_ranks_of(file)) if file.suffix == ".tiktoken" else _Json(file, folder)


def _in_folder(folder: Path) -> Tokenizer | None:
    if (folder / "tokenizer.json").is_file():
        return _Json(folder / "tokenizer.json", folder)
    for merges, names in (("vocab.bpe", "encoder.json"), ("merges.txt", "vocab.json")):
        if (folder / merges).is_file() and (folder / names).is_file():
            return Ranks(*_gpt2_ranks(folder / merges, folder / names))
    ranks = sorted(folder.glob("*.tiktoken"))
    return Ranks(*_ranks_of(ranks[0])) if ranks else None


def _in_cache(vocabulary: int) -> Tokenizer | None:
    """tiktoken's own cache, read without its network: only for the embedding sizes that its vocabularies have."""
    known = next((e for e in ENCODINGS.values() if e.end < vocabulary <= e.end + 128), None)
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    folder = str(Path(tempfile.gettempdir()) / "data-gym-cache") if folder is None else folder
    if known is None or not folder or not (Path(folder) / known.cached).is_file():
        return None
    file = Path(folder) / known.cached
    if hashlib.sha256(file.read_bytes()).hexdigest() != known.sha256:
        raise UserError(f"{file}: not {known.name} as published (its sha256 differs); delete it and copy it again")
    return Ranks(*_ranks_of(file))


def _ranks_of(file: Path) -> tuple[tuple[Path, ...], dict[bytes, int]]:
    import base64

    ranks = {}
    try:
        for line in file.read_bytes().splitlines():
            if line:
                token, _, rank = line.partition(b" ")
                ranks[base64.b64decode(token)] = int(rank)
    except ValueError as error:
        raise UserError(f"{file}: not a file of ranks (base64, space, number): {error}; copy it again") from error
    return (file,), ranks


def _gpt2_ranks(merges: Path, names: Path) -> tuple[tuple[Path, ...], dict[bytes, int]]:
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    try:
        with _uncached():
            ranks = data_gym_to_mergeable_bpe_ranks(str(merges), str(names))
    except (AssertionError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{merges} and {names.name} do not belong together; copy both again") from error
    return (merges, names), ranks


@contextmanager
def _uncached() -> Iterator[None]:
    """tiktoken keeps what it read under the file's name in the machine's temporary folder, where anybody may put
    something else before, and never looks at the file again."""
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = ""
    try:
        yield
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


class Ranks:
    """A tiktoken vocabulary: ranks and, by their number, the pattern and the end-of-text token."""

    adds_bos = False
    habits = NO_HABITS

    def __init__(self, files: tuple[Path, ...], ranks: dict[bytes, int]) -> None:
        import tiktoken

        known = ENCODINGS.get(len(ranks))
        if known is None:
            sizes = ", ".join(f"{e.name} ({n})" for n, e in ENCODINGS.items())
            raise UserError(
                f"{files[0]}: {len(ranks)} ranks belong to no vocabulary whose pattern is known ({sizes}); use its "
                "tokenizer.json"
            )
        self.files = files
        self.specials: Mapping[str, int] = {END: known.end}
        self._encoding = tiktoken.Encoding(
            known.name, pat_str=known.pattern, mergeable_ranks=ranks, special_tokens=dict(self.specials)
        )
        self.bos = self.eos = known.end
        self.size = known.end + 1

    def encode(self, text: str) -> list[int]:
        return self._encoding.encode_ordinary(text)

    encode_inside = encode

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(self._bytes(number) for number in ids)

    def _bytes(self, number: int) -> bytes:
        try:
            return self._encoding.decode_single_token_bytes(number)
        except KeyError:
            return b""


def _parsed(file: Path) -> Any:
    """A large JSON file, in a third of the standard library's time."""
    raw = file.read_bytes()
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:  # it refuses lone surrogates
        return json_value(raw)


class _Json:
    """A tokenizer.json, with what tokenizer_config.json beside it says about BOS and EOS."""

    def __init__(self, file: Path, folder: Path) -> None:
        from tokenizers import Tokenizer as Library
        from tokenizers import processors

        self.files = tuple(f for f in (file, file.parent / "tokenizer_config.json") if f.is_file())
        try:
            self._raw = _parsed(file)
            self._library: Any = Library.from_file(str(file))
        except Exception as error:  # the library raises bare Exception for whatever it cannot read
            raise UserError(f"{file}: not a tokenizer that `tokenizers` reads ({error}); copy it again") from error
        # User text is ordinary text: control tokens come from the template only.
        self._library.encode_special_tokens = True
        self._library.no_truncation()
        self._library.no_padding()
        added = self._raw.get("added_tokens") or []
        self.specials: Mapping[str, int] = {t["content"]: t["id"] for t in added if t.get("special")}
        self._added = {t["id"]: t["content"] for t in added}
        self._settings = _settings(file.parent) or _settings(folder)
        self.size = 1 + max([*self._library.get_vocab(with_added_tokens=True).values(), *self._added], default=-1)
        self.bos = self._control("bos_token", folder)
        self.eos = self._control("eos_token", folder)
        self.adds_bos = self._adds_bos()
        self._library.post_processor = processors.Sequence([])  # BOS is `chat.py`'s business from here on
        self.habits = _habits(self._raw, self._library)
        self._incremental = IncrementalEncoder(self._library) if splits_by_pattern(self._raw) else None

    def _control(self, name: str, folder: Path) -> int | None:
        given = self._settings.get(name)
        text = given.get("content") if isinstance(given, dict) else given
        if isinstance(text, str) and (number := self._library.token_to_id(text)) is not None:
            return int(number)
        if name in self._settings:  # said to be none
            return None
        listed = _object(folder / "config.json").get(f"{name}_id")
        first = listed[0] if isinstance(listed, list) and listed else listed
        return first if isinstance(first, int) else None

    def _adds_bos(self) -> bool:
        said = self._settings.get("add_bos_token")
        if isinstance(said, bool):
            return said and self.bos is not None
        return self.bos is not None and self._library.encode("a").ids[:1] == [self.bos]

    def encode(self, text: str) -> list[int]:
        text = _whole_letters(text)
        if self._incremental is not None:
            return self._incremental.encode(text)
        return self._library.encode(text, add_special_tokens=False).ids  # type: ignore[no-any-return]

    def encode_inside(self, text: str) -> list[int]:
        if not self.habits.first:
            return self.encode(text)
        return self._inside.encode(_whole_letters(text), add_special_tokens=False).ids  # type: ignore[no-any-return]

    @cached_property
    def _inside(self) -> Any:
        """The library for text behind a control token, which gets no blank in front."""
        from tokenizers import Tokenizer as Library

        library = Library.from_str(re.sub(r'("prepend_scheme":\s*)"first"', r'\1"never"', self._library.to_str()))
        library.encode_special_tokens = True
        return library

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(self._bytes(number) for number in ids)

    def _bytes(self, number: int) -> bytes:
        if number in self._added:
            return str(self._added[number]).encode()
        token = self._library.id_to_token(number)
        if token is None:
            return b""
        if self._by_bytes:
            plain = all(c in BYTE_OF for c in token)
            return bytes(BYTE_OF[c] for c in token) if plain else str(token).encode()
        if re.fullmatch(r"<0x[0-9A-F]{2}>", token):
            return bytes([int(token[3:5], 16)])
        return str(token).replace("▁", " ").encode()

    @cached_property
    def _by_bytes(self) -> bool:
        return '"ByteLevel"' in json.dumps(self._raw.get("decoder"))


def _whole_letters(text: str) -> str:
    """Half a surrogate pair, which some data sets hold, has no bytes."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _habits(raw: Mapping[str, Any], library: Any) -> Habits:
    added = [token for token in raw.get("added_tokens") or [] if token["content"]]
    special = [token for token in added if token.get("special")]

    def those(flag: str) -> frozenset[str]:
        return frozenset(token["content"] for token in special if token.get(flag))

    apart = sorted(
        (token for token in added if not token.get("special") and not token.get("normalized")),
        key=lambda token: -len(token["content"]),
    )
    normal = {name: library.normalizer.normalize_str(name) for name in those("normalized") if library.normalizer}
    return Habits(
        left=those("lstrip"), right=those("rstrip"), words=those("single_word"),
        opening=frozenset(name for name, text in normal.items() if text != name and text.endswith(name)),
        apart=re.compile("|".join(map(pattern_of_added, apart))) if apart else None,
        first='"prepend_scheme": "first"' in json.dumps(raw.get("pre_tokenizer")),
    )  # fmt: skip


def _settings(folder: Path) -> dict[str, Any]:
    found = _object(folder / "tokenizer_config.json")
    return {**_object(folder / "special_tokens_map.json"), **found}


def _object(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        found = json_value(file.read_bytes())
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON: {error}; copy it again") from error
    return found if isinstance(found, dict) else {}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes (https://github.com/openai/gpt-2, encoder.py): char -> byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


BYTE_OF = _byte_alphabet()
