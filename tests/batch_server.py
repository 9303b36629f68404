"""A stub of the files and batches of the OpenAI protocol, on loopback.

    with serve_batches(reply) as stub: ...

`reply(body)` gives the answer to one request: a text, a `Reply`, or None where the batch has no line for it. A batch is
done after `polls` looks at it. `handed_in` has each batch's bodies; `status` is what batches end as.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stub_server import Reply, envelope


@dataclass
class BatchStub:
    url: str = ""
    polls: int = 2
    status: str = "completed"
    handed_in: list[list[dict[str, Any]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: int = 0
    refuse: Reply | None = None
    lost: bool = False  # the connection breaks when a batch was made
    forgets: bool = False  # no batch is there any more when it is looked at
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take_file(self, body):
        name = f"file-{len(self.files)}"
        self.files[name] = b"\n".join(part for part in body.split(b"\n") if part.startswith(b'{"custom_id"'))
        return {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch",
                "status": "processed"}  # fmt: skip

    def make_batch(self, body):
        asked = json.loads(body)
        made = {"id": f"batch-{len(self.batches)}", "object": "batch", "created_at": 1, "status": "validating",
                "left": self.polls, **asked}  # fmt: skip
        self.batches[made["id"]] = made
        lines = self.files[asked["input_file_id"]].splitlines()
        with self.changed:
            self.handed_in.append([json.loads(line)["body"] for line in lines])
            self.changed.notify_all()
        broken, self.lost = self.lost, False
        return None if broken else made

    def look_at(self, name, reply):
        batch = self.batches[name]
        with self.changed:
            self.looks += 1
            self.changed.notify_all()
        batch["left"] -= 1
        if batch["left"] <= 0 and batch["status"] == "validating":
            batch["status"] = self.status
            batch["output_file_id"] = f"out-{name}"
            self.files[f"out-{name}"] = _output(self, reply, batch)
            if self.status == "failed":
                batch["errors"] = {"object": "list", "data": [{"message": "the file is no good"}]}
        return batch

    def until(self, enough, seconds=30.0):
        with self.changed:
            return self.changed.wait_for(enough, seconds)


def _output(stub, reply, batch):
    lines = []
    for line in stub.files[batch["input_file_id"]].splitlines():
        asked = json.loads(line)
        said = reply(asked["body"])
        if said is None:
            continue
        said = Reply(text=said) if isinstance(said, str) else said
        content = json.loads(envelope(asked["body"], said)) if said.raw is None else said.raw.decode()
        answer = {"status_code": said.status, "request_id": "r", "body": content}
        lines.append({"id": "x", "custom_id": asked["custom_id"], "response": answer, "error": None})
    lines.reverse()
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines) + b"not json\n"


@contextmanager
def serve_batches(reply, **more):
    stub = BatchStub(**more)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if stub.refuse is not None:
                return self.send(envelope({}, stub.refuse), stub.refuse.status)
            return self.send(stub.take_file(body) if self.path.endswith("/files") else stub.make_batch(body))

        def do_GET(self):
            last = self.path.partition("?")[0].rsplit("/", 1)[-1]
            if last == "content":
                return self.send(stub.files[self.path.split("/")[-2]])
            if last == "batches":
                return self.send({"object": "list", "data": list(stub.batches.values()), "has_more": False})
            if stub.forgets or last not in stub.batches:
                return self.send({"error": {"message": "no such batch"}}, 404)
            return self.send(stub.look_at(last, reply))

        def send(self, value, status=200):
            if value is None:
                self.close_connection = True
                return
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
