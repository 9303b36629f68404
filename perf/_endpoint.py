"""The sides of perf/endpoint.py, each in a process of its own: the server, the raw load, ours, and the peers' clients.

serve   LATENCY                         a chat server on loopback that answers with the question's number
raw     URL COUNT WORKERS               the least a client can do, which shows what the server is able to
ours    URL COUNT WORKERS CLIENT        our client: `lean`, `lean-asyncio` (no uvloop) or `aiohttp`
lm_eval URL COUNT WORKERS               lm-evaluation-harness's local-chat-completions, run by its own interpreter
run     URL COUNT WORKERS FOLDER        a whole `evalh run`: prompts, journal, scores, summary
inspect URL COUNT WORKERS FOLDER        a whole eval of inspect_ai, run by its own interpreter
"""

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path

try:
    import uvloop
except ImportError:  # the peer's environment has none
    uvloop = None

_NUMBER = re.compile(rb"number (\d+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Server(asyncio.Protocol):
    """As little as a server can do: a length, a number, a timer, and a reply that is ready but for the number."""

    def __init__(self, latency: float) -> None:
        self.latency, self.held = latency, b""
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self.held, 0, end)
            last = end + 4 + int(found[1] if found else 0)
            if len(self.held) < last:
                return
            asked, self.held = self.held[:last], self.held[last:]
            if asked.startswith(b"GET /cpu"):
                self.transport.write(_framed(b"%f" % time.process_time()))
                continue
            reply = _reply(_NUMBER.search(asked, end)[1])  # type: ignore[index]
            self.loop.call_later(self.latency, self.transport.write, reply) if self.latency else (
                self.transport.write(reply)
            )


def _framed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _reply(number: bytes) -> bytes:
    return _framed(
        b'{"id":"x","object":"chat.completion","created":0,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
        b'"message":{"role":"assistant","content":"%b%b"}}],"usage":{"prompt_tokens":9,"completion_tokens":1,'
        b'"total_tokens":10}}' % (number, b" " * 300)
    )


async def serve(latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(latency), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Load(asyncio.Protocol):
    """Asks again as soon as it is answered, and counts."""

    left = 0
    done: asyncio.Future

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.held = transport, 0
        self.next()

    def next(self) -> None:
        if Load.left > 0:
            Load.left -= 1
            self.transport.write(ASKED)
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self.held += len(data)
        if self.held >= len(_reply(b"1")):
            self.held = 0
            self.next()

    def connection_lost(self, _: object) -> None:
        Load.open -= 1
        if not Load.open:
            Load.done.set_result(None)


def question(number: int) -> str:
    return f"number {number}: " + "please answer with the number of this question. " * 8


_BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": question(1)}], "max_tokens": 16}).encode()
ASKED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


async def _load(port: int, count: int, workers: int) -> None:
    loop = asyncio.get_running_loop()
    Load.left, Load.open, Load.done = count, workers, loop.create_future()
    for _ in range(workers):
        await loop.create_connection(Load, "127.0.0.1", port)
    await Load.done


def raw(url: str, count: int, workers: int) -> None:
    clock = Clock()
    asyncio.run(_load(int(url.split(":")[2].split("/")[0]), count, workers))
    clock.report(right=True)


class Clock:
    """Wall and CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def report(self, right: bool, **more: object) -> None:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        print(json.dumps({"right": right, "wall": wall, "cpu": cpu, **more}))


def _are_right(texts: list[str]) -> bool:
    return [text.strip() for text in texts] == [str(number) for number in range(len(texts))]


def ours(url: str, count: int, workers: int, client: str) -> None:
    if client == "lean-asyncio":
        sys.modules["uvloop"] = None
    import aiohttp  # noqa: F401  # the peer imports it before its clock starts too

    from evalharness.clients import http1, network, session  # noqa: F401
    from evalharness.models.openai import OpenAI
    from evalharness.records import Message, Request

    if client == "aiohttp":
        session.is_plain = lambda *_: False
    requests = [Request(messages=(Message("user", question(n)),), max_tokens=16) for n in range(count)]
    model = OpenAI(model="m", base_url=url, workers=workers)
    network.new_loop().close()  # imported before the clock starts, as all of the peer's is
    clock = Clock()
    found = dict(model.answer(requests))
    clock.report(_are_right([found[n].text for n in range(count)]))


def lm_eval(url: str, count: int, workers: int) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalChatCompletion

    model = LocalChatCompletion(model="m", base_url=f"{url}/chat/completions", num_concurrent=workers, max_retries=3)
    asked = [model.apply_chat_template([{"role": "user", "content": question(n)}]) for n in range(count)]
    settings = {"max_gen_toks": 16, "until": [], "do_sample": False}
    instances = [Instance("generate_until", {}, (text, settings), n) for n, text in enumerate(asked)]
    clock = Clock()
    texts = model.generate_until(instances, disable_tqdm=True)
    clock.report(_are_right(texts))


def run(url: str, count: int, workers: int, folder: str) -> None:
    from evalharness import evaluate
    from evalharness.benchmark import Benchmark
    from evalharness.records import Sample
    from evalharness.scoring.answers import short_answer
    from evalharness.scoring.metrics import mean

    numbers = Benchmark(
        name="numbers", title="Numbers", paper="", licence="", items=3, score=short_answer(),
        metrics=(mean("exact_match"),), sample=lambda row: Sample(question=row["question"], answers=(row["answer"],)),
    )  # fmt: skip
    rows = Path(f"{folder}.jsonl")
    rows.write_text("".join(json.dumps({"question": question(n), "answer": str(n)}) + "\n" for n in range(count)))
    clock = Clock()
    options = {"base_url": url, "concurrency": workers}
    done = evaluate(numbers, "openai:m", data=rows, model_options=options, runs=folder, cache=False)
    right = done.metrics["numbers"]["exact_match"]
    clock.report(right=right.value == 1.0 and right.n == count, peak=_peak())


def _peak() -> float:
    """MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000  # it begins with what the parent holds


def inspect(url: str, count: int, workers: int, folder: str) -> None:
    os.environ.update(INSPECT_API_KEY="x", INSPECT_BASE_URL=url, OPENAI_API_KEY="x")
    from inspect_ai import Task, eval  # noqa: A004
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    rows = [Sample(input=question(n), target=str(n), id=n + 1) for n in range(count)]
    clock = Clock()
    (log,) = eval(
        Task(dataset=MemoryDataset(rows), solver=generate(), scorer=match()), model="openai-api/inspect/m",
        max_connections=workers, max_samples=workers, display="none", log_dir=folder,
    )  # fmt: skip
    texts = {int(s.id) - 1: s.output.completion for s in log.samples or ()}
    clock.report(_are_right([texts[n] for n in range(count)]))


def main(role: str, *given: str) -> None:
    if uvloop is not None and role in ("serve", "raw"):
        uvloop.install()
    if role == "serve":
        asyncio.run(serve(float(given[0])))
        return
    url, count, workers, *rest = given
    roles = {"raw": raw, "ours": ours, "lm_eval": lm_eval, "run": run, "inspect": inspect}
    roles[role](url, int(count), int(workers), *rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
