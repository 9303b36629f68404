"""A checkpoint on this machine: a folder in Hugging Face's layout or a hub id, answered by an engine of `engine/`."""

from __future__ import annotations

import codecs
import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.data.files import json_value
from evalharness.engine.adapter_config import is_adapter
from evalharness.engine.fingerprint import files_digest
from evalharness.engine.sampling import Sampling
from evalharness.errors import UserError, option_name
from evalharness.events import Told, tell, warn
from evalharness.model import Preview, Requests
from evalharness.models._checkpoints import base_folder, weights_digest
from evalharness.models._checkpoints import model_folder as model_folder
from evalharness.models._prompt_reader import PromptReader, reader_of_run
from evalharness.models._sampling import chosen_sampling
from evalharness.options import LocalOptions
from evalharness.records import Message, Request, Response
from evalharness.scoring.thinking_marks import is_mark, opened_thinking

if TYPE_CHECKING:
    from evalharness.chat.render import Chat
    from evalharness.engine.base import Continuation, Engine, Generation, GenerationRequest, TokenIds
    from evalharness.engine.tokenizer import Tokenizer

Options = LocalOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsOrigin:
    """A model's name, the folder of its weights and their digest (computed when asked); `context_limited`: by the user.

    `adapter` is the folder of an adapter that stands on them.
    """

    name: str
    folder: Path
    digest: Callable[[], str]
    context_limited: bool = False
    adapter: Path | None = None
    adapter_merged: bool = False

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where files beside the weights are looked for, the first that has one counts."""
        return (self.folder,) if self.adapter is None else (self.adapter, self.folder)


class Local:
    """A local model: it scores choices by log-likelihood and generates answers. Use `open_model`.

    `origin` says where the weights came from.
    """

    ranks = True
    first_tokens = True

    def __init__(
        self,
        origin: WeightsOrigin,
        engine: Engine,
        tokenizer: Tokenizer,
        chat: Chat,
        *,
        sampling: Sampling | None = None,
    ) -> None:
        self.name, self.origin, self.sampling = origin.name, origin, sampling or Sampling()
        self.engine, self.tokenizer, self.rendering = engine, tokenizer, chat
        self._reader = PromptReader(rendering=chat, tokenizer=tokenizer)
        self.chat = chat.source is not None
        self._stop_ids = chat.stops.union(*map(_stop_ids, origin.folders))
        # Marks of thinking are part of the answer's text: what scores it sets them apart.
        self._control_ids = frozenset(token for text, token in tokenizer.specials.items() if not is_mark(text))

    @cached_property
    def _begins(self) -> str:
        """The mark of thinking that the template writes before every answer: the text begins behind it."""
        return opened_thinking(self.rendering.ask((Message("user", "a"),)).text) if self.chat else ""

    @property
    def fingerprint(self) -> str:
        """sha256 over weights, configuration and tokenizer, then whatever else decides the answers: the template, a
        tokenizer from elsewhere, and arithmetic or context other than the usual."""
        parts = [self.origin.digest(), self.rendering.hash[:16]]
        known = [folder.resolve() for folder in self.origin.folders]
        elsewhere = [f for f in self.tokenizer.files if f.parent.resolve() not in known]
        if elsewhere:
            parts.append(files_digest(elsewhere)[:16])
        dtype = self.engine.describe()["dtype"]
        if dtype != "float32":
            parts.append(dtype)
        if self.origin.context_limited:
            parts.append(f"context {self.engine.context}")
        if self.sampling.differences():
            parts.append(self.sampling.words())
        return "/".join(parts)

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """All that is known: requests with choices first, then those without, each in the order that costs least. What
        came meanwhile is the next batch."""
        given = Requests.of(requests)
        while taken := given.take():
            scored = [i for i, request in taken if request.choices]
            generated = [i for i, request in taken if not request.choices]
            if scored:
                yield from self._loglikelihoods(given, scored)
            if generated:
                yield from self._generations(given, generated)

    def _loglikelihoods(self, requests: Sequence[Request], which: Sequence[int]) -> Iterator[tuple[int, Response]]:
        prompts: list[list[Continuation]] = []
        indices: list[int] = []
        for i in which:
            continuations, error = self._continuations(requests[i])
            if error:
                yield i, Response(error=error)
            else:
                indices.append(i)
                prompts.append(continuations)
        before = time.perf_counter()
        for index, scores in self.engine.loglikelihood(prompts):
            now = time.perf_counter()
            cut = max(continuation.truncation(self.engine.context) for continuation in prompts[index])
            logprobs, greedy, lengths = zip(*((one.logprob, one.greedy, one.tokens) for one in scores), strict=True)
            if len(scores) > len(requests[indices[index]].choices):  # the windows of one long text
                logprobs, greedy, lengths = (sum(logprobs),), (all(greedy),), (sum(lengths),)
            yield (
                indices[index],
                Response(
                    logprobs=logprobs,
                    greedy=greedy,
                    lengths=lengths,
                    tokens_in=len(prompts[index][0].prompt) - cut,
                    tokens_truncated=cut,
                    seconds=now - before,
                ),
            )
            before = time.perf_counter()

    def _continuations(self, request: Request) -> tuple[list[Continuation], str]:
        """Prompt and choice tokenised together, and the choice's share of the ids, as lm-evaluation-harness does."""
        import numpy as np

        from evalharness.engine.base import Continuation, rolling_windows

        continuations: list[Continuation] = []
        prompts: dict[str, tuple[list[int], TokenIds]] = {}
        for number, choice in enumerate(request.choices):
            given = request.context_per_choice[number] if request.context_per_choice else ""
            if given not in prompts:
                context = self._context(request, given)
                prompts[given] = context, np.array(context, dtype=np.int32)
            context, prompt = prompts[given]
            own = self._context_and_choice(request, given, choice)[len(context) :]
            if not context:
                context, own = self._begin(own)
                prompt = np.array(context, dtype=np.int32)
            if not context or not own:
                return [], f"choice {number + 1} ({choice!r}) has no tokens of its own behind the prompt"
            if len(own) > self.engine.context and not given and not request.text and len(request.choices) == 1:
                return rolling_windows(prompt, np.array(own, dtype=np.int32), self.engine.context), ""
            if len(own) > self.engine.context:
                return [], f"choice {number + 1} has {len(own)} tokens, the context has {self.engine.context}"
            continuations.append(Continuation(prompt, np.array(own, dtype=np.int32)))
        return continuations, ""

    def _context(self, request: Request, given: str) -> list[int]:
        if not self.chat:
            return self._base((request.text + given).rstrip())
        messages = (*request.messages, Message("assistant", given)) if given else request.messages
        return self.rendering.ask(messages, request.template_kwargs).ids

    def _context_and_choice(self, request: Request, given: str, choice: str) -> list[int]:
        if not self.chat:
            return self._base(request.text + given + choice)
        messages = (*request.messages, Message("assistant", given + choice))
        return self.rendering.ask(messages, request.template_kwargs).ids

    def _base(self, text: str) -> list[int]:
        return self.rendering.ask((Message("user", text),)).ids

    def _begin(self, scored: list[int]) -> tuple[list[int], list[int]]:
        """Nothing stands before the choice: it is read behind BOS or the end of text, or behind its own first token."""
        first = self.tokenizer.bos if self.tokenizer.bos is not None else self.tokenizer.eos
        if first is None or scored[:1] == [first]:
            return scored[:1], scored[1:]
        return [first], scored

    def token_scores(self, texts: Sequence[str]) -> Iterator[Sequence[float]]:
        """As `model.TokenScores`; what does not fit into the context is left out at the beginning. UserError where the
        engine is not the native one."""
        from evalharness.engine.native import NativeEngine
        from evalharness.engine.surprise import standard_scores

        if not isinstance(self.engine, NativeEngine):
            raise UserError(f"{self.name}: only {option_name('backend', 'native')} shows the whole distribution")
        for text in texts:
            before, ids = self._begin(self._base(text))
            yield standard_scores(self.engine.decoder, [*before, *ids][-self.engine.decoder.config.context :]).tolist()

    def _generations(self, requests: Sequence[Request], which: Sequence[int]) -> Iterator[tuple[int, Response]]:
        engine_requests: list[GenerationRequest] = []
        indices: list[int] = []
        cuts: list[int] = []
        for i in which:
            made, cut = self._generation_request(requests[i])
            if made is None:
                yield i, Response(error="the prompt is empty and the tokenizer has no token to begin with")
                continue
            indices.append(i)
            engine_requests.append(made)
            cuts.append(cut)
        before = time.perf_counter()
        for index, generation in self.engine.generate(engine_requests, self._token_bytes):
            now = time.perf_counter()
            yield indices[index], self._response(generation, cuts[index], now - before)
            before = time.perf_counter()

    def streamed(self, request: Request, hear: Callable[[str], None]) -> Response:
        """The answer, told while it is written: the engine asks for the bytes of each token once, when it is drawn."""
        made, cut = self._generation_request(request)
        if made is None:
            return next(response for _, response in self.answer([request]))
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        hear(self._begins)

        def heard_bytes(token: int) -> bytes:
            piece = self._token_bytes(token)
            hear(decoder.decode(piece))
            return piece

        before = time.perf_counter()
        _, generation = next(iter(self.engine.generate([made], heard_bytes)))
        return self._response(generation, cut, time.perf_counter() - before)

    def _generation_request(self, request: Request) -> tuple[GenerationRequest | None, int]:
        """The request as token ids, cut from the left so that the answer fits behind it."""
        from evalharness.engine.base import GenerationRequest

        ids = self.rendering.ask(request.messages, request.template_kwargs).ids
        if not ids:
            ids, _ = self._begin([])
        context = self.engine.context
        # An answer longer than half the context must not push out the whole question.
        room = max(context - request.max_tokens, min(len(ids), context // 2))
        kept = ids[-room:]
        if not kept:
            return None, 0
        stops = [stop for stop in request.stop if stop]
        made = GenerationRequest(
            ids=tuple(kept),
            max_tokens=max(1, min(request.max_tokens, context - len(kept))),
            stop_ids=self._stop_ids | {self.tokenizer.specials[s] for s in stops if s in self.tokenizer.specials},
            stop=tuple(stop.encode("utf-8", "surrogatepass") for stop in stops),
            temperature=request.temperature or self.sampling.temperature or 0.0,
            top_p=request.top_p if request.top_p < 1 else self.sampling.top_p,
            top_k=self.sampling.top_k,
            min_p=self.sampling.min_p,
            repetition_penalty=self.sampling.repetition_penalty,
            seed=f"{request.seed}/{','.join(map(str, kept))}",
            top_logprobs=request.top_logprobs,
        )
        return made, len(ids) - len(kept)

    def _token_bytes(self, token: int) -> bytes:
        return b"" if token in self._control_ids else self.tokenizer.decode_bytes([token])

    def _response(self, generation: Generation, cut: int, seconds: float) -> Response:
        return Response(
            text=self._begins + (self.rendering.answer(generation.text) if self.chat else generation.text),
            top_logprobs=tuple((self._reader.piece(token), logprob) for token, logprob in generation.top_logprobs),
            finish=generation.finish,
            tokens_in=len(generation.request.ids),
            tokens_out=len(generation.tokens),
            tokens_truncated=cut,
            seconds=seconds,
        )

    def preview(self, request: Request) -> Preview:
        """The prompt's text, ids and pieces as the network reads them, before any cut."""
        return self._reader.preview(request)

    def describe(self) -> Mapping[str, Any]:
        standing = {}
        if self.origin.adapter is not None:
            standing["adapter"] = {"base": str(self.origin.folder), "merged": self.origin.adapter_merged}
        return {
            **self.engine.describe(),
            **standing,
            **({"sampling": dict(self.sampling.differences())} if self.sampling.differences() else {}),
            "template": self.rendering.name,
            "template_sha256": self.rendering.hash,
            "bos": self.rendering.ask((Message("user", "a"),)).bos,
            "tokenizer": [file.name for file in self.tokenizer.files],
            "too_long": "cut from the left",
        }


def _stop_ids(folder: Path) -> frozenset[int]:
    """The ids that end an answer by the checkpoint's own settings (one or a list)."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        try:
            listed = json_value((folder / name).read_bytes()).get("eos_token_id")
        except (OSError, ValueError, AttributeError):  # optional, or reported by the reader of config.json
            continue
        found.update(i for i in (listed if isinstance(listed, list) else [listed]) if isinstance(i, int))
    return frozenset(found)


def open_model(argument: str, options: LocalOptions) -> Local:
    """Open `local:FOLDER` or `local:ORG/NAME`."""
    return open_folder(f"local:{argument}", model_folder(argument), options)


def open_prompts(argument: str, facts: Mapping[str, Any]) -> PromptReader:
    """How the model of a run reads prompts, by what the run says of it."""
    return reader_of_run(Path(argument).expanduser(), facts)


def open_folder(name: str, folder: Path, options: LocalOptions) -> Local:
    """Open the checkpoint in `folder` as a model of that name."""
    if adapter := (folder if is_adapter(folder) else None):
        folder = base_folder(adapter, options.base_model)
    elif options.base_model or options.merge_adapter:
        said = option_name("base_model" if options.base_model else "merge_adapter")
        raise UserError(f"{said} is for the folder of an adapter; {folder} holds none that stands alone")
    digest: Callable[[], str] = partial(weights_digest, folder, adapter)
    with ThreadPoolExecutor(1) as pool:  # hashing leaves the interpreter free to import torch and to load
        if (folder / "config.json").is_file():
            digest = pool.submit(digest).result
        origin = WeightsOrigin(
            name=name,
            folder=folder,
            digest=digest,
            context_limited=options.context > 0,
            adapter=adapter,
            adapter_merged=options.merge_adapter,
        )
        return _open(origin, options)


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


def _open(origin: WeightsOrigin, options: LocalOptions) -> Local:
    with _uncollected():
        from evalharness.chat.render import choose_chat, own_template
        from evalharness.engine.base import EngineSettings
        from evalharness.engine.loading import open_engine, why_transformers
        from evalharness.engine.tokenizer import has_tokenizer, open_tokenizer

    settings = EngineSettings(
        dtype=options.dtype,
        device=options.device,
        threads=options.threads,
        batch=options.batch,
        context=options.context,
        backend=options.backend,
        adapter=origin.adapter,
        merge_adapter=origin.adapter_merged,
    )
    engine = open_engine(origin.folder, settings)
    if why := why_transformers(engine):
        tell(Told(text=f"{origin.name} is computed by transformers ({why})"))
    beside = next((folder for folder in origin.folders if has_tokenizer(folder)), origin.folder)
    tokenizer = open_tokenizer(beside, engine.vocabulary, options.tokenizer)
    own = next(filter(None, map(own_template, origin.folders)), None)
    chosen = choose_chat(options.template, own, tokenizer)
    if own and chosen.source != own:
        own_said = f"{origin.name} has a template of its own, which it was trained with"
        warn(f"{own_said}; with {chosen.name} it answers otherwise")
    sampling = chosen_sampling(origin.name, origin.folders, options, chat=chosen.source is not None)
    return Local(origin, engine, tokenizer, chosen, sampling=sampling)
