"""A server program that behaves as its environment says; installed in tests as `vllm`, `sglang` or `llama-server`.

FAKE_PIDS: a file that gets the ids of its processes. FAKE: `crash` at once, `silent` (never ready), `hang` (answers
nothing), `stubborn` (does not end when asked to), `dies` (after two answers). It leaves a child of its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOUR = os.environ.get("FAKE", "")
answered = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply(503 if BEHAVIOUR == "silent" else 200, {})

    def do_POST(self):
        global answered
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if BEHAVIOUR == "hang":
            time.sleep(600)
        answered += 1
        if BEHAVIOUR == "dies" and answered > 2:
            os._exit(9)
        message = {"role": "assistant", "content": "A"}
        choice = {"index": 0, "message": message, "text": "A", "finish_reason": "stop"}
        self.reply(
            200, {"model": body["model"], "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}
        )

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A question that is taken back is nothing to speak of."""


def main():
    if BEHAVIOUR == "crash":
        print("INFO loading\nRuntimeError: no GPU was found\nINFO goodbye", flush=True)
        sys.exit(3)
    if BEHAVIOUR == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    Path(os.environ["FAKE_PIDS"]).write_text(f"{os.getpid()} {child.pid}\n")
    Path(os.environ["FAKE_PIDS"] + ".args").write_text(json.dumps(sys.argv[1:]))
    port = int(sys.argv[sys.argv.index("--port") + 1])
    Server(("127.0.0.1", port), Handler).serve_forever()


main()
