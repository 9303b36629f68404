"""The one kind of error that a user sees: a line that says what was wanted, what there is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum


class Exit(IntEnum):
    """What `evalh` exits with; a pipeline can tell a worse model from a provider that was down."""

    FINE = 0
    GATE_FAILED = 1
    USAGE = 2
    NOT_WHOLE = 3
    NOT_COMPARABLE = 4
    INCONCLUSIVE = 5
    INTERRUPTED = 130


def gravest(*codes: int) -> int:
    """The exit code of several parts: a model proven worse counts more than a run that is not whole."""
    order = (Exit.GATE_FAILED, Exit.USAGE, Exit.NOT_COMPARABLE, Exit.NOT_WHOLE, Exit.INCONCLUSIVE, Exit.FINE)
    return min(codes, key=order.index)


_LONGEST = 2000  # characters of a message: what it quotes may be a name of a megabyte


class UserError(Exception):
    """A mistake that the user can mend. The message is one line and is printed without a traceback."""

    def __init__(self, message: str, exit_code: Exit = Exit.USAGE) -> None:
        one_line = message if message.isprintable() else " ".join(message[: 2 * _LONGEST].split())
        super().__init__(one_line if len(one_line) <= _LONGEST else one_line[: _LONGEST - 1] + "…")
        self.exit_code = exit_code


def all_of(errors: Sequence[UserError]) -> UserError:
    """Several mistakes as one: each is said once, the gravest exit code counts."""
    if len(errors) == 1:
        return errors[0]
    code = Exit(gravest(*(error.exit_code for error in errors)))
    return UserError("; ".join(dict.fromkeys(map(str, errors))), code)


class DataError(UserError):
    """Benchmark or training data that is not what its format promises; the message names file and line."""


# Whether messages spell options as flags. One for the process and no context variable: models answer in threads of
# their own, which would not see that.
_flags = False
_SPELLED = {"repeats": "samples", "evaluate": "eval", "as_json": "json"}  # fields whose flag has another name


@contextmanager
def flags_in_messages(shown: bool) -> Iterator[None]:
    """While it is open, messages name options as they are typed, `--limit`, or as fields, `limit`."""
    global _flags
    before, _flags = _flags, shown
    try:
        yield
    finally:
        _flags = before


def option_name(name: str, value: object = None) -> str:
    """An option in a message: the field `max_tokens` to a program, `--max-tokens` at the command line; with a value
    `mode=write` and `--mode write`, `cache=False` and `--no-cache`."""
    if not _flags:
        return name if value is None else f"{name}={value}"
    flag = _SPELLED.get(name, name).replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag}" if value is None else f"--{flag} {value}"


def nearest(name: str, known: object) -> str:
    """' (did you mean X?)' for the closest of the known names, or ''."""
    from difflib import get_close_matches

    names = [str(k) for k in known] if hasattr(known, "__iter__") else []
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def known(what: str, name: str, names: object) -> str:
    """The name, where it is one of `names`; else UserError with the nearest: `known("task of glue", "cols", TASKS)`."""
    if hasattr(names, "__contains__") and name in names:
        return name
    raise UserError(f"there is no {what} called {name!r}{nearest(name, names)}")


EXTRAS = {
    "torch": "local", "safetensors": "local", "tokenizers": "local", "matplotlib": "local", "transformers": "hf",
    "bitsandbytes": "qlora", "sacrebleu": "text", "rouge_score": "text", "langdetect": "text", "nltk": "text",
    "syllapy": "text", "math_verify": "math", "gguf": "gguf", "httptools": "fast", "aiohappyeyeballs": "fast",
    "multidict": "fast", "uvloop": "fast", "starlette": "web", "uvicorn": "web", "sqlalchemy": "web", "alembic": "web",
    "psycopg": "web", "ray": "scale", "s3fs": "stores", "gcsfs": "stores", "zstandard": "inspect", "mlflow": "mlflow",
    "wandb": "wandb", "trackio": "trackio", "opentelemetry": "opentelemetry", "sigstore": "sigstore",
    "tree_sitter": "bfcl", "tree_sitter_java": "bfcl", "tree_sitter_javascript": "bfcl",
}  # fmt: skip


def install_hint(package: str) -> str:
    """What to type when a package is missing."""
    top = package.split(".")[0]
    return f'pip install "evalharness[{EXTRAS[top]}]"' if top in EXTRAS else f"pip install {top}"
