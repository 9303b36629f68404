"""A server program that is started for a model, asked over loopback, and never left behind.

The program is run by `_watchdog.py`, which holds the end of a pipe: it ends the server when that closes, however this
process ends. The server is started when the first question is asked, so a finished run is shown without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.doctor.echo import prove_echo
from evalharness.errors import UserError, option_name
from evalharness.events import Told, tell
from evalharness.executor import visible_gpus
from evalharness.model import Model, Preview, Previews, TellsFirstTokens
from evalharness.options import AskingOptions, CompletionsOptions, EndpointOptions, EngineOptions
from evalharness.records import Request, Response
from evalharness.text.visible import line

HOST = "127.0.0.1"
SERVED = "model"  # the name under which a started server is asked
_WATCHDOG = Path(__file__).with_name("_watchdog.py")
PATIENCE = 10.0  # seconds between asking a server to end and ending it
_TELL_SECONDS = 10.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class ServerProgram:
    """How a server is started: its command for a port, and where it says that it is ready."""

    name: str
    command: Callable[[int], list[str]]
    health: str = "/health"


def free_port(arguments: Sequence[str]) -> int:
    """The port that the user's own arguments name, else a free one. UserError where that is taken."""
    said = _value_of(arguments, "--port")
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(said) if said else 0))
        except ValueError:
            raise UserError(f"{option_name('engine_args')}: --port wants a number; there is {said!r:.40}") from None
        except (OSError, OverflowError) as error:
            raise UserError(f"{option_name('engine_args')}: port {said} is taken ({error}); leave it out") from None
        return int(probe.getsockname()[1])


def _value_of(arguments: Sequence[str], flag: str) -> str:
    for place, word in enumerate(arguments):
        if word == flag:
            return arguments[place + 1] if place + 1 < len(arguments) else ""
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return ""


def engine_words(options: EngineOptions) -> list[str]:
    """The user's own arguments for the server. UserError where their quotes do not match."""
    try:
        return shlex.split(options.engine_args or "")
    except ValueError as error:
        raise UserError(f"{option_name('engine_args')}: {error}; there is {options.engine_args!r:.80}") from None


class RunningServer:
    """A server from its start to its end. `close` ends it; so does the end of this process."""

    def __init__(self, program: ServerProgram, arguments: Sequence[str], seconds: float) -> None:
        self.program, self.port = program, free_port(arguments)
        self.folder = Path(tempfile.mkdtemp(prefix=f"evalh-{program.name}-"))
        self.log = self.folder / "server.log"
        command = program.command(self.port)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", str(_WATCHDOG), str(PATIENCE), *command],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.close = weakref.finalize(self, _end, self.process, self.folder)
        try:
            self._wait(seconds)
        except BaseException:
            self.close()
            raise

    def _wait(self, seconds: float) -> None:
        """Until the server says that it is ready, which is told now and then."""
        began, said = time.monotonic(), time.monotonic()
        tell(Told(text=f"{self.program.name} is started on port {self.port}; its log is {self.log}"))
        while not self._ready():
            if self.process.poll() is not None:
                why = self._last_words()
                missing = f"; pip install {self.program.name} there" if "No module named" in why else ""
                raise UserError(f"{self.program.name} ended while it started: {why}{missing}")
            now = time.monotonic()
            if now - began > seconds:
                raise UserError(
                    f"{self.program.name} was not ready after {seconds:.0f} s: {self._last_words()}; give "
                    f"{option_name('start_timeout')} more"
                )
            if now - said > _TELL_SECONDS:
                said = now
                tell(Told(text=f"{self.program.name} is loading, {now - began:.0f} s: {self._last_words()}"))
            time.sleep(_LOOK_SECONDS)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", self.program.health)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def ended(self) -> str:
        """What the server said last, where it is gone; empty where it may still answer."""
        if self._ready():
            return ""
        try:
            self.process.wait(PATIENCE)  # which the watchdog may take to end all that the server started
        except subprocess.TimeoutExpired:
            return ""
        return f"{self.program.name} ended: {self._last_words()}"

    def _last_words(self) -> str:
        """What the log says last; of errors the last one, since servers say more behind it."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 20000))
            said = [text.strip() for text in file.read().decode("utf-8", "replace").splitlines() if text.strip()]
        errors = [text for text in said if "error" in text.lower() or "failed" in text.lower()]
        return line((errors or said or ["it said nothing"])[-1], 300)


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(PATIENCE + 20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(kw_only=True)
class StartedModel:
    """A model behind a server that is started when it is first asked, and asked as any endpoint is.

    `digest` is what the weights are known by; `deciding` are the settings of the server that decide answers.
    """

    name: str
    program: ServerProgram
    options: EngineOptions
    digest: Callable[[], str]
    remote: bool = True
    prices: tuple[float, float] | None = (0.0, 0.0)
    _server: RunningServer | None = field(default=None, repr=False)
    _endpoint: Model | None = field(default=None, repr=False)
    _proven: bool = False  # its echoed log-probabilities are right

    def __post_init__(self) -> None:
        self._shown = _endpoint_at(0, self.options)
        self._fingerprint = ""

    @property
    def fingerprint(self) -> str:
        if not self._fingerprint:
            said = {**_deciding(self.options), "weights": self.digest(), "program": self.program.name}
            self._fingerprint = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        return self._fingerprint

    @property
    def chat(self) -> bool:
        return self._shown.chat

    @property
    def ranks(self) -> bool:
        return self._shown.ranks

    @property
    def first_tokens(self) -> bool:
        return isinstance(self._shown, TellsFirstTokens) and self._shown.first_tokens

    def preview(self, request: Request) -> Preview:
        return self._shown.preview(request) if isinstance(self._shown, Previews) else Preview(text=request.text)

    def describe(self) -> Mapping[str, Any]:
        said = dict((self._endpoint or self._shown).describe())
        said.pop("base_url", None)
        return {**said, "plugin": self.name.partition(":")[0], "engine": self.program.name,
                "engine_args": engine_words(self.options)}  # fmt: skip

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """As the server's. UserError where it is not installed, cannot start, or does not do what is asked."""
        try:
            model = self.opened()
            if self.ranks and not self._proven and any(request.choices for request in requests):
                if self.options.rank_by == "echo":  # the endpoint itself proves the other ways
                    prove_echo(model)
                self._proven = True
            yield from model.answer(requests)
        except UserError:  # nobody will ask it again
            self.close()
            raise

    def opened(self) -> Model:
        if self._endpoint is None:
            self._server = RunningServer(self.program, engine_words(self.options), self.options.start_timeout)
            self._endpoint = _endpoint_at(self._server.port, self.options)
        return self._endpoint

    def ended(self) -> str:
        return "" if self._server is None else self._server.ended()

    def close(self) -> None:
        """End the server, where it runs."""
        if self._server is not None:
            self._server.close()
        self._server = self._endpoint = None


def _endpoint_at(port: int, options: EngineOptions) -> Model:
    shared = (*fields(AskingOptions), *fields(CompletionsOptions))
    asked = {each.name: getattr(options, each.name) for each in shared}
    known = EndpointOptions(base_url=f"http://{HOST}:{port}/v1", **asked)
    return plugins.load_model(f"openai:{SERVED}", known)


def _deciding(options: EngineOptions) -> dict[str, Any]:
    """What of the options decides answers: how the model is served and asked, not where and how fast."""
    names = ("engine_args", "dtype", "context", "template", "system", "reasoning_effort", "top_k", "extra")
    by = {} if options.rank_by == "echo" else {"rank_by": options.rank_by}
    return {**{name: getattr(options, name) for name in names}, **by}


def parallel_size(place: str, options: EngineOptions) -> int:
    """Over how many GPUs a model is split: as many as there are, of those numbers that divide its attention heads."""
    if options.tensor_parallel:
        return options.tensor_parallel
    gpus, heads = len(visible_gpus()), 0
    try:
        found = json.loads((Path(place) / "config.json").read_text(encoding="utf-8"))
        heads = int(found.get("num_attention_heads") or found.get("n_head") or 0)
    except (OSError, ValueError, AttributeError, TypeError):
        return 1 if gpus < 2 else gpus  # a hub id: the server knows its heads and says where that is wrong
    return max((n for n in range(1, gpus + 1) if heads and heads % n == 0), default=1)


def weights_digest(place: str) -> Callable[[], str]:
    """What a folder or hub id is known by: the digest of the folder's weights, or the id itself."""

    def digest() -> str:
        if not Path(place).is_dir():
            return place
        from evalharness.engine.fingerprint import checkpoint_fingerprint

        return checkpoint_fingerprint(Path(place))

    return digest


def served_place(kind: str, argument: str) -> str:
    """What is to be served: a folder with weights or a hub id. UserError for neither."""
    if not argument:
        raise UserError(f"{kind} needs a folder or a hub id: {kind}:DIR or {kind}:ORG/NAME")
    path = Path(argument).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(f"{kind}:{argument}: the folder has no config.json, so there is no model in it")
        return str(path.absolute())
    if path.exists() or argument.count("/") != 1 or argument.startswith((".", "/", "~")):
        raise UserError(f"{kind}:{argument}: there is no such folder; wanted one, or a hub id ORG/NAME")
    return argument


def program_or_python(kind: str, module: str, options: EngineOptions) -> list[str]:
    """The beginning of a server's command: the program of that name on PATH, or a module of the Python that the user
    names.

    UserError where neither is there.
    """
    if options.engine_python is not None:
        if shutil.which(options.engine_python) is None:
            raise UserError(f"{option_name('engine_python')}: there is no program {options.engine_python!r:.200}")
        return [options.engine_python, "-m", module]
    found = shutil.which(kind)
    if found is None:
        raise UserError(
            f"{kind} wants the program {kind} on PATH: pip install {kind} in an environment of its own and put its "
            f"bin folder on PATH, or say {option_name('engine_python')} PATH/bin/python"
        )
    return [found]


def served_weights(
    kind: str, argument: str, options: EngineOptions, *, begin: Callable[[str], list[str]], parallel: str, context: str
) -> StartedModel:
    """The model in a folder or of a hub id, behind a server of this kind. `begin` is the command's beginning for what
    is served; `parallel` and `context` are its flags for the number of GPUs and the context length.

    UserError where there is no such model.
    """
    place = served_place(kind, argument)
    words = begin(place)

    def command(port: int) -> list[str]:
        return [
            *words, "--served-model-name", SERVED, "--host", HOST, "--port", str(port), "--dtype", options.dtype,
            parallel, str(parallel_size(place, options)),
            *([context, str(options.context)] if options.context else []), *engine_words(options),
        ]  # fmt: skip

    program = ServerProgram(name=kind, command=command)
    return StartedModel(name=f"{kind}:{argument}", program=program, options=options, digest=weights_digest(place))
