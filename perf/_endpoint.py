"""The sides of perf/endpoint.py, each in a process of its own: the server, ours, and the peer's client.

serve LATENCY              a chat server on loopback that answers with the question's number; prints its port
ours  URL COUNT WORKERS    our client; prints one JSON line
peer  URL COUNT WORKERS    lm-evaluation-harness's local-chat-completions, run by the peer's interpreter
"""

import asyncio
import json
import re
import sys
import time


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
            number = re.search(rb"number (\d+)", await reader.readexactly(size))[1].decode()  # type: ignore[index]
            await asyncio.sleep(latency)
            message = {"role": "assistant", "content": number + " " * 300}
            body = json.dumps({
                "id": "x", "object": "chat.completion", "created": 0, "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
            }).encode()  # fmt: skip
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(latency: float) -> None:
    server = await asyncio.start_server(lambda r, w: _answer(r, w, latency), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def question(number: int) -> str:
    return f"number {number}: " + "please answer with the number of this question. " * 8


def report(texts: list[str], wall: float, cpu: float) -> None:
    right = [t.strip() for t in texts] == [str(n) for n in range(len(texts))]
    print(json.dumps({"right": right, "wall": wall, "cpu": cpu}))


def ours(url: str, count: int, workers: int) -> None:
    import aiohttp  # noqa: F401  # the peer imports it before its clock starts too

    from evalharness.models.openai import OpenAI
    from evalharness.records import Message, Request

    requests = [Request(messages=(Message("user", question(n)),), max_tokens=16) for n in range(count)]
    model = OpenAI(model="m", base_url=url, workers=workers)
    wall, cpu = time.perf_counter(), time.process_time()
    found = dict(model.answer(requests))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    report([found[n].text for n in range(count)], wall, cpu)


def peer(url: str, count: int, workers: int) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalChatCompletion

    model = LocalChatCompletion(model="m", base_url=f"{url}/chat/completions", num_concurrent=workers, max_retries=3)
    asked = [model.apply_chat_template([{"role": "user", "content": question(n)}]) for n in range(count)]
    settings = {"max_gen_toks": 16, "until": [], "do_sample": False}
    instances = [Instance("generate_until", {}, (text, settings), n) for n, text in enumerate(asked)]
    wall, cpu = time.perf_counter(), time.process_time()
    texts = model.generate_until(instances, disable_tqdm=True)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    report(texts, wall, cpu)


if __name__ == "__main__":
    role, *given = sys.argv[1:]
    if role == "serve":
        asyncio.run(serve(float(given[0])))
    else:
        {"ours": ours, "peer": peer}[role](given[0], int(given[1]), int(given[2]))
