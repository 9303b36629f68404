"""A checkpoint on this machine: a folder in Hugging Face's layout or a hub id, asked by the engine in `network/`."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.errors import UserError
from evalharness.model import Preview
from evalharness.models._digest import digest, fingerprint
from evalharness.options import ModelOptions
from evalharness.plugins import warn
from evalharness.records import Message, Request, Response

if TYPE_CHECKING:
    from evalharness.chat.render import Chat
    from evalharness.engine.generation import Generation, GenerationRequest
    from evalharness.engine.loglikelihood import Continuation
    from evalharness.engine.native import Engine
    from evalharness.engine.prefix_sharing import Ids
    from evalharness.engine.tokenizer import Tokenizer


class Local:
    """A local model: it ranks choices and writes. Use `open_model`."""

    ranks = True

    def __init__(self, name: str, folder: Path, engine: Engine, tokenizer: Tokenizer, chat: Chat) -> None:
        self.name, self.folder = name, folder
        self.engine, self.tokenizer, self.rendering = engine, tokenizer, chat
        self.chat = chat.source is not None
        self._digest: Future[str] | None = None
        self._limited = False
        self._ends = chat.stops | _end_ids(folder)
        self._silent = frozenset(tokenizer.specials.values())

    @property
    def fingerprint(self) -> str:
        """sha256 over weights, configuration and tokenizer, then whatever else decides the answers: the template, a
        tokenizer from elsewhere, and arithmetic or context other than the usual."""
        parts = [self._digest.result() if self._digest is not None else fingerprint(self.folder)]
        parts.append(self.rendering.hash[:16])
        foreign = [file for file in self.tokenizer.files if file.parent.resolve() != self.folder.resolve()]
        if foreign:
            parts.append(digest(foreign)[:16])
        said = self.engine.describe()
        if said["dtype"] != "float32":
            parts.append(said["dtype"])
        if self._limited:
            parts.append(f"context {self.engine.context}")
        return "/".join(parts)

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Ranked requests first, then written ones; each in the order that costs least."""
        ranked = [i for i, request in enumerate(requests) if request.choices]
        written = [i for i, request in enumerate(requests) if not request.choices]
        if ranked:
            yield from self._ranked(requests, ranked)
        if written:
            yield from self._written(requests, written)

    def _ranked(self, requests: Sequence[Request], which: Sequence[int]) -> Iterator[tuple[int, Response]]:
        asked: list[list[Continuation]] = []
        owners: list[int] = []
        for i in which:
            options, error = self._options(requests[i])
            if error:
                yield i, Response(error=error)
            else:
                owners.append(i)
                asked.append(options)
        before = time.perf_counter()
        for index, scores in self.engine.rank(asked):
            now = time.perf_counter()
            longest = max(len(option) for option in asked[index])
            cut = max(0, longest - self.engine.context - 1)
            yield (
                owners[index],
                Response(
                    logprobs=tuple(score.logprob for score in scores),
                    greedy=tuple(score.greedy for score in scores),
                    lengths=tuple(score.tokens for score in scores),
                    tokens_in=len(asked[index][0].prompt) - cut,
                    tokens_truncated=cut,
                    seconds=now - before,
                ),
            )
            before = time.perf_counter()

    def _options(self, request: Request) -> tuple[list[Continuation], str]:
        """Prompt and choice tokenised together, and the choice's share of the ids, as lm-evaluation-harness does."""
        import numpy as np

        from evalharness.engine.loglikelihood import Continuation

        options: list[Continuation] = []
        prompts: dict[str, tuple[list[int], Ids]] = {}
        for number, choice in enumerate(request.choices):
            given = request.context_per_choice[number] if request.context_per_choice else ""
            if given not in prompts:
                context = self._context(request, given)
                prompts[given] = context, np.array(context, dtype=np.int32)
            context, prompt = prompts[given]
            own = self._whole(request, given, choice)[len(context) :]
            if not context:
                context, own = self._begin(own)
                prompt = np.array(context, dtype=np.int32)
            if not context or not own:
                return [], f"choice {number + 1} ({choice!r}) has no tokens of its own behind the prompt"
            if len(own) > self.engine.context:
                return [], f"choice {number + 1} has {len(own)} tokens, the context has {self.engine.context}"
            options.append(Continuation(prompt, np.array(own, dtype=np.int32)))
        return options, ""

    def _context(self, request: Request, given: str) -> list[int]:
        if not self.chat:
            return self._base((request.text + given).rstrip())
        messages = (*request.messages, Message("assistant", given)) if given else request.messages
        return self.rendering.ask(messages).ids

    def _whole(self, request: Request, given: str, choice: str) -> list[int]:
        if not self.chat:
            return self._base(request.text + given + choice)
        return self.rendering.ask((*request.messages, Message("assistant", given + choice))).ids

    def _base(self, text: str) -> list[int]:
        return self.rendering.ask((Message("user", text),)).ids

    def _begin(self, scored: list[int]) -> tuple[list[int], list[int]]:
        """Nothing stands before the choice: it is read behind BOS or the end of text, or behind its own first token."""
        first = self.tokenizer.bos if self.tokenizer.bos is not None else self.tokenizer.eos
        if first is None or scored[:1] == [first]:
            return scored[:1], scored[1:]
        return [first], scored

    def _written(self, requests: Sequence[Request], which: Sequence[int]) -> Iterator[tuple[int, Response]]:
        jobs: list[GenerationRequest] = []
        owners: list[int] = []
        cuts: list[int] = []
        for i in which:
            job, cut = self._job(requests[i])
            if job is None:
                yield i, Response(error="the prompt is empty and the tokenizer has no token to begin with")
                continue
            owners.append(i)
            jobs.append(job)
            cuts.append(cut)
        before = time.perf_counter()
        for index, draft in self.engine.write(jobs, self._spell):
            now = time.perf_counter()
            yield owners[index], self._response(draft, cuts[index], now - before)
            before = time.perf_counter()

    def _job(self, request: Request) -> tuple[GenerationRequest | None, int]:
        """The request as token ids, cut from the left so that the answer fits behind it."""
        from evalharness.engine.generation import GenerationRequest

        ids = self.rendering.ask(request.messages).ids
        if not ids:
            ids, _ = self._begin([])
        context = self.engine.context
        # An answer longer than half the context must not push out the whole question.
        room = max(context - request.max_tokens, min(len(ids), context // 2))
        kept = ids[-room:]
        if not kept:
            return None, 0
        stops = [stop for stop in request.stop if stop]
        job = GenerationRequest(
            ids=tuple(kept),
            max_tokens=max(1, min(request.max_tokens, context - len(kept))),
            ends=self._ends | {self.tokenizer.specials[s] for s in stops if s in self.tokenizer.specials},
            stop=tuple(stop.encode("utf-8", "surrogatepass") for stop in stops),
            temperature=request.temperature,
            top_p=request.top_p,
            seed=f"{request.seed}/{','.join(map(str, kept))}",
            top=request.top_logprobs,
        )
        return job, len(ids) - len(kept)

    def _spell(self, token: int) -> bytes:
        return b"" if token in self._silent else self.tokenizer.decode_bytes([token])

    def _response(self, draft: Generation, cut: int, seconds: float) -> Response:
        return Response(
            text=self.rendering.answer(draft.text) if self.chat else draft.text,
            top_logprobs=tuple((self._piece(token), logprob) for token, logprob in draft.top),
            finish=draft.finish,
            tokens_in=len(draft.job.ids),
            tokens_out=len(draft.tokens),
            tokens_truncated=cut,
            seconds=seconds,
        )

    def _piece(self, token: int) -> str:
        return self.tokenizer.decode_bytes([token]).decode("utf-8", errors="replace")

    def preview(self, request: Request) -> Preview:
        """The prompt's text, ids and pieces as the network reads them, before any cut."""
        asked = self.rendering.ask(request.messages)
        pieces = tuple(self._piece(number) for number in asked.ids)
        return Preview(text=asked.text, ids=tuple(asked.ids), pieces=pieces, bos=asked.bos)

    def describe(self) -> Mapping[str, Any]:
        return {
            **self.engine.describe(),
            "template": self.rendering.name,
            "template_sha256": self.rendering.hash,
            "bos": self.rendering.ask((Message("user", "a"),)).bos,
            "tokenizer": [file.name for file in self.tokenizer.files],
            "too_long": "cut from the left",
        }


def _end_ids(folder: Path) -> frozenset[int]:
    """The ids that end an answer by the checkpoint's own settings (one or a list)."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        try:
            listed = json.loads((folder / name).read_text("utf-8")).get("eos_token_id")
        except (OSError, ValueError, AttributeError):  # optional, or reported by the reader of config.json
            continue
        found.update(i for i in (listed if isinstance(listed, list) else [listed]) if isinstance(i, int))
    return frozenset(found)


def model_folder(argument: str) -> Path:
    """The folder of `argument`: a path, or a hub id (`org/name`, `org/name@revision`), from the hub's cache if there.

    UserError where neither is to be had.
    """
    if not argument:
        raise UserError("local needs a checkpoint: say --model local:FOLDER or local:ORG/NAME")
    folder = Path(argument).expanduser()
    if folder.exists() or argument.count("/") != 1 or argument.startswith((".", "/", "~")):
        if not folder.is_dir():
            raise UserError(f"{argument}: there is no such folder; name one with config.json and *.safetensors")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = argument.partition("@")
    wanted = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.tiktoken", "vocab.bpe"]
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise UserError(
            f"{argument}: there is no such folder, and the hub gives no such model ({first}); name a folder, or check "
            "the name and the network"
        ) from error


def open_model(argument: str, options: ModelOptions) -> Local:
    """Open `local:FOLDER` or `local:ORG/NAME`."""
    folder = model_folder(argument)
    with ThreadPoolExecutor(1) as pool:  # hashing leaves the interpreter free to import torch and to load
        hashed = pool.submit(fingerprint, folder) if (folder / "config.json").is_file() else None
        model = _open(f"local:{argument}", folder, options)
    model._digest = hashed
    return model


@contextmanager
def _uncollected() -> Iterator[None]:
    """While torch is imported, no search for garbage, nor ever among what is there then: its million objects stay, and
    looking through them again and again is a sixth of the time."""
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _open(name: str, folder: Path, options: ModelOptions) -> Local:
    with _uncollected():
        from evalharness.chat.render import choose_chat, own_template
        from evalharness.engine.native import EngineSettings, open_engine
        from evalharness.engine.tokenizer import open_tokenizer

    settings = EngineSettings(
        dtype=options.dtype,
        device=options.device,
        threads=options.threads,
        batch=options.batch,
        context=options.context,
        backend=options.backend,
    )
    engine = open_engine(folder, settings)
    tokenizer = open_tokenizer(folder, engine.vocabulary, options.tokenizer)
    own = own_template(folder)
    chosen = choose_chat(options.template, own, tokenizer)
    if own and chosen.source != own:
        warn(f"{name} has a template of its own, which it was trained with; with {chosen.name} it answers otherwise")
    model = Local(name, folder, engine, tokenizer, chosen)
    model._limited = options.context > 0
    return model
