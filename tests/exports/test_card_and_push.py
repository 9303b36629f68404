"""The model card, and `evalh push` against a hub of our own on loopback."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from evalharness.errors import UserError
from evalharness.exports.model_card import CARD_MARK, CardFacts, MeasuredBenchmark, model_card, write_card
from evalharness.exports.upload import push_folder
from evalharness.records import Estimate

ACCURACY = Estimate(value=0.42, stderr=0.02, low=0.38, high=0.46, n=600)
BEFORE = Estimate(value=0.30, stderr=0.02, low=0.26, high=0.34, n=600)
FACTS = CardFacts(
    name="tuned", base="OWNER/base", datasets=("OWNER/rows",), tags=("sft",),
    measured=(
        MeasuredBenchmark(
            name="gsm8k", after={"accuracy": ACCURACY}, before={"accuracy": BEFORE}, about="600 of 1319 questions",
            repository="openai/gsm8k", config="main", split="test", revision="7" * 40,
        ),
    ),
    training={"settings": "lr 0.1 | <script>", "data, sha256": "ab" * 32}, notes=("Made in a test.",),
)  # fmt: skip


def test_the_hub_s_own_reader_finds_every_figure_with_its_interval() -> None:
    card = ModelCard(model_card(FACTS))
    assert card.data.base_model == "OWNER/base"
    assert card.data.datasets == ["OWNER/rows"]
    assert card.data.tags == ["evalharness", "sft"]
    (result,) = card.data.eval_results
    assert (result.dataset_type, result.dataset_config, result.dataset_split) == ("openai/gsm8k", "main", "test")
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.42)
    assert result.metric_args == {"low": 0.38, "high": 0.46, "level": 0.95, "stderr": 0.02, "n": 600}
    assert "0.300 (0.260 ... 0.340) | 0.420 (0.380 ... 0.460)" in card.text
    assert "\\<script\\>" in card.text
    assert "ab" * 32 in card.text


@pytest.mark.parametrize("nothing", [float("nan"), float("inf")])
def test_a_figure_without_interval_has_none_in_the_card(nothing: float) -> None:
    bare = Estimate(value=1.0, stderr=float("nan"), low=-nothing, high=nothing, n=1)
    measured = (MeasuredBenchmark(name="gsm8k", after={"reward": bare}, about="1 question"),)
    card = ModelCard(model_card(CardFacts(name="tuned", measured=measured)))
    (result,) = card.data.eval_results
    assert result.metric_args == {"n": 1} and "1.000 (no interval)" in card.text


def test_a_card_without_figures_has_no_model_index() -> None:
    data = yaml.safe_load(model_card(CardFacts(name="tuned")).split("---")[1])
    assert "model-index" not in data
    assert "base_model" not in data


def test_a_card_that_somebody_wrote_stays(tmp_path: Path) -> None:
    assert write_card(FACTS, tmp_path)
    assert write_card(FACTS, tmp_path)
    file = tmp_path / "README.md"
    file.write_text(file.read_text().replace(CARD_MARK, "my own words"))
    assert not write_card(FACTS, tmp_path)
    assert "my own words" in file.read_text()


class Hub(BaseHTTPRequestHandler):
    """As much of https://huggingface.co/docs/hub/api as an upload asks for."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        server: Any = self.server
        server.seen.append((self.path, self.headers.get("authorization"), body))
        if server.status:
            return self.answer({"error": "You don't have the rights"}, server.status)
        root = f"http://127.0.0.1:{server.server_port}"
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            return self.answer({"url": f"{root}/{asked.get('organization', 'me')}/{asked['name']}"})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        if "/commit/" in self.path:
            return self.answer({"success": True, "commitUrl": f"{root}/OWNER/tuned/commit/1", "commitOid": "1" * 40})
        return self.answer({"error": "unknown"}, 404)

    def do_GET(self) -> None:
        server: Any = self.server
        server.seen.append((self.path, self.headers.get("authorization"), b""))
        self.answer({"id": "OWNER/tuned", "sha": "0" * 40, "siblings": [], "private": server.private})

    def answer(self, value: Any, status: int = 200) -> None:
        raw = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def hub(status: int = 0, *, private: bool = True) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.seen, server.status, server.private = [], status, private
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "tuned"
    for name in ("config.json", "model.safetensors", "README.md", "adapter/adapter_config.json", "training/state.pt",
                 "training/test.jsonl", "runs/test/results.jsonl", ".lock", "model.gguf.part"):  # fmt: skip
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("{}" if name != "README.md" else model_card(FACTS))
    return out


def push(folder: Path, repository: str, port: int, *more: str, token: str = "hf_test") -> subprocess.CompletedProcess:
    """In a process of its own: huggingface_hub reads its settings once, when it is imported."""
    home = folder.parent / "home"
    own = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING_FACE", "XDG_"))}
    own |= {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(home), "HOME": str(home), "NO_COLOR": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
    own |= {"HF_TOKEN": token} if token else {}
    command = [sys.executable, "-m", "evalharness", "push", str(folder), repository, *more]
    return subprocess.run(command, env=own, capture_output=True, text=True, timeout=120)


def test_push_uploads_the_model_and_leaves_the_training_here(folder: Path) -> None:
    with hub() as server:
        done = push(folder, "OWNER/tuned", server.server_port, "--private")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("/OWNER/tuned/commit/1")
    created = json.loads(next(body for path, _, body in server.seen if path == "/api/repos/create"))
    assert (created["organization"], created["name"]) == ("OWNER", "tuned")
    assert created.get("private") or created.get("visibility") == "private"  # by the version of huggingface_hub
    assert {token for path, token, _ in server.seen if "/commit/" in path} == {"Bearer hf_test"}
    (commit,) = [body for path, _, body in server.seen if "/commit/main" in path]
    lines = [json.loads(line)["value"] for line in commit.splitlines() if b'"file"' in line]
    assert {line["path"] for line in lines} == {
        "config.json", "model.safetensors", "README.md", "adapter/adapter_config.json"
    }  # fmt: skip
    card = next(line for line in lines if line["path"] == "README.md")
    assert base64.b64decode(card["content"]).decode() == model_card(FACTS)


def test_private_is_kept_by_a_repository_that_is_there(folder: Path) -> None:
    with hub(private=False) as server:
        done = push(folder, "OWNER/tuned", server.server_port, "--private")
    assert done.returncode == 2 and "is there already and is public" in done.stderr
    assert not any("/commit/" in path for path, _, _ in server.seen)


def test_every_failure_is_one_line(folder: Path, tmp_path: Path) -> None:
    def said(done: subprocess.CompletedProcess) -> str:
        assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("evalh: ")]
        assert "Traceback" not in done.stderr
        return line

    with hub(status=403) as server:
        assert "the token may not write there" in said(push(folder, "OWNER/tuned", server.server_port))
        assert "takes no name like" in said(push(folder, "OWNER/no..name-", server.server_port))
        assert "wants a token" in said(push(folder, "OWNER/tuned", server.server_port, token=""))
        port = server.server_port
    with hub(status=401) as server:
        assert "does not know the token" in said(push(folder, "OWNER/tuned", server.server_port))
    assert "cannot be reached" in said(push(folder, "OWNER/tuned", port))


def test_what_is_no_model_or_no_name_is_refused_before_the_hub_is_asked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="OWNER/NAME"):
        push_folder(folder, "tuned")
    with pytest.raises(UserError, match=r"config\.json"):
        push_folder(tmp_path / "nothing", "OWNER/tuned")
