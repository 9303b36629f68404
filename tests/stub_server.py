"""A small OpenAI-compatible server on loopback for tests: it answers as told, badly where told, and remembers.

    with serve(lambda body: "[[A]]") as stub:
        ... stub.url, stub.seen

`reply(body)` returns the text to answer with, or a Reply. `body` is the request's JSON.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server sends. `top` holds the first token's log-probabilities; `raw` replaces the whole body."""

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str = "stop"
    refusal: str | None = None
    top: Sequence[tuple[str, float]] = ()
    error: Mapping[str, Any] | str | None = None
    raw: bytes | None = None
    echo: Mapping[str, Any] | None = None
    tokens: tuple[int, int] = (10, 5)


Answer = Callable[[dict[str, Any]], "str | Reply"]


@dataclass
class Stub:
    """A running server: its base URL, and the bodies it was sent (with `path` and `authorization` added).

    `headers` are those of each of them, names in small letters. `connections` are those that are open, `busy` the
    requests that are being answered, `busiest` the most at a time.
    """

    url: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    connections: int = 0
    busy: int = 0
    busiest: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def until(self, enough: Callable[[], bool], seconds: float = 20.0) -> bool:
        """Wait for what the server was sent or lost; False when it does not come in time."""
        with self.changed:
            return self.changed.wait_for(enough, seconds)

    def count(self, **more: int) -> None:
        with self.changed:
            for name, by in more.items():
                setattr(self, name, getattr(self, name) + by)
            self.busiest = max(self.busiest, self.busy)
            self.changed.notify_all()


def text_of(body: Mapping[str, Any]) -> str:
    """All that the request says, messages joined."""
    return body["prompt"] if "prompt" in body else "\n".join(m["content"] for m in body["messages"])


def envelope(body: Mapping[str, Any], reply: Reply) -> bytes:
    """The reply in the protocol's shape, chat or completions."""
    if reply.raw is not None:
        return reply.raw
    if reply.status != 200:
        error = reply.error if reply.error is not None else {"message": "no"}
        return json.dumps({"error": {"message": error} if isinstance(error, str) else error}).encode()
    choice: dict[str, Any] = {"index": 0, "finish_reason": reply.finish}
    if "messages" in body:
        choice["message"] = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
        if reply.top and body.get("logprobs"):
            top = [{"token": t, "logprob": v, "bytes": None} for t, v in reply.top]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    else:
        choice["text"] = reply.text
        if reply.top and body.get("logprobs"):
            choice["logprobs"] = {"top_logprobs": [dict(reply.top)]}
        if reply.echo is not None:
            choice["logprobs"] = dict(reply.echo)
    usage = {"prompt_tokens": reply.tokens[0], "completion_tokens": reply.tokens[1]}
    return json.dumps({"model": body.get("model"), "choices": [choice], "usage": usage}).encode()


@contextmanager
def serve(reply: Answer) -> Iterator[Stub]:
    """A server on a free port of 127.0.0.1, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            stub.count(connections=1)

        def finish(self) -> None:
            try:
                super().finish()
            finally:
                stub.count(connections=-1)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with stub.changed:
                stub.seen.append({**body, "path": self.path, "authorization": self.headers.get("Authorization")})
                stub.headers.append({name.lower(): value for name, value in self.headers.items()})
            stub.count(busy=1)
            try:
                said = reply(body)
            finally:
                stub.count(busy=-1)
            said = Reply(text=said) if isinstance(said, str) else said
            content = envelope(body, said)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A client that hung up is no trouble of the server's."""

    server = Server(("127.0.0.1", 0), Handler)
    stub = Stub(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
