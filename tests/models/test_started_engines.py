"""Engines that are started for a run: asked as endpoints are, and never left behind, however the run ends."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.models import _started
from evalharness.options import EngineOptions

FAKE = Path(__file__).with_name("fake_engine.py")
SECONDS = 60.0


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """Fake `vllm`, `sglang` and `llama-server` on PATH, a folder and a GGUF file to serve; gives the file of ids."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("vllm", "sglang", "llama-server"):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PIDS", str(tmp_path / "pids"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text('{"model_type": "llama", "num_attention_heads": 12}')
    (tmp_path / "m" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "m.gguf").write_bytes(b"GGUF and so on")
    return tmp_path / "pids"


def alive(pids):
    """Which of the processes that a fake server noted are still there."""
    found = [int(word) for word in pids.read_text().split()] if pids.exists() else []
    assert found
    return [pid for pid in found if Path(f"/proc/{pid}/stat").exists() and not _is_zombie(pid)]


def _is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(what):
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


def words(model, *more):
    return ("run", "mmlu", "--data", "sample", "--limit", 5, "--model", model, *more)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("vllm:m", ["serve", "{folder}", "--served-model-name", "model", "--dtype", "bfloat16",
                    "--tensor-parallel-size", "6", "--max-model-len", "2048", "--seed", "3 4"]),
        ("sglang:m", ["serve", "--model-path", "{folder}", "--tp", "6", "--context-length", "2048", "--seed", "3 4"]),
        ("llamacpp:m.gguf", ["--model", "{gguf}", "--alias", "model", "--ctx-size", "2048", "--seed", "3 4"]),
    ],
)  # fmt: skip
def test_a_server_is_started_asked_and_gone(engines, evalh, tmp_path, model, wanted):
    said = evalh(*words(model, "--dtype", "bfloat16", "--context", 2048, "--engine-args", "--seed '3 4'", "--json"))
    assert said.code == 0, said.err
    assert said.json["benchmarks"]["mmlu@sample"]["n"] == 5
    assert alive(engines) == []
    given = json.loads(Path(f"{engines}.args").read_text())
    wanted = [word.format(folder=tmp_path / "m", gguf=tmp_path / "m.gguf") for word in wanted]
    assert [word for word in given if word in wanted] == wanted
    manifest = json.loads(Path(said.json["run"], "run.json").read_text())
    assert manifest["model"]["name"] == model and "127.0.0.1" not in json.dumps(manifest["model"])
    engines.unlink()
    again = evalh(*words(model, "--dtype", "bfloat16", "--context", 2048, "--engine-args", "--seed '3 4'", "--json"))
    assert again.code == 0 and not engines.exists()  # a finished run is shown without a server


@pytest.mark.parametrize("behaviour", ["hang", "stubborn"])
def test_kill_nine_leaves_nothing_behind(engines, tmp_path, behaviour):
    environment = {**os.environ, "FAKE": behaviour}
    program = (
        "from evalharness.models import _started; _started.PATIENCE = 0.3\n"
        "from evalharness import plugins\nmodel = plugins.load_model('vllm:m')\nmodel.opened()\n"
        "import time; time.sleep(600)"
    )
    if behaviour == "hang":  # killed while a run waits for its answers
        program = f"from evalharness.cli import guarded; guarded({[str(word) for word in words('vllm:m')]})"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        until(lambda: engines.exists() and len(engines.read_text().split()) == 2)
        assert len(alive(engines)) == 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: alive(engines) == [])


def test_a_watchdog_that_is_killed_takes_the_server_along(engines, tmp_path):
    model = plugins.load_model(f"vllm:{tmp_path / 'm'}")
    model.opened()
    model._server.process.kill()
    server = int(engines.read_text().split()[0])
    until(lambda: server not in alive(engines))
    for pid in alive(engines):  # the child that it had put into a session of its own is beyond anybody's reach
        os.kill(pid, signal.SIGKILL)


def test_a_server_that_is_let_go_of_ends(engines, tmp_path):
    model = plugins.load_model(f"vllm:{tmp_path / 'm'}")
    model.opened()
    folder = model._server.folder
    assert len(alive(engines)) == 2 and folder.is_dir()
    del model
    assert alive(engines) == [] and not folder.exists()


def test_a_server_that_dies_on_the_way_costs_items_and_not_the_run(engines, evalh, monkeypatch):
    from evalharness.clients import pool

    monkeypatch.setattr(pool, "_backoff", lambda *_: 0.0)
    monkeypatch.setenv("FAKE", "dies")
    said = evalh(*words("vllm:m", "--concurrency", 1, "--json"))
    assert said.code == 3 and said.json["benchmarks"]["mmlu@sample"]["counts"]["error"] == 3
    assert alive(engines) == []
    monkeypatch.setenv("FAKE", "")
    assert evalh(*words("vllm:m", "--concurrency", 1, "--json")).code == 0


def test_a_copy_without_its_server_is_lost_and_fails_no_question(engines, tmp_path, monkeypatch, capsys):
    """It would fail them faster than any other copy answers, and so get nearly all (an actor of Ray whose engine is
    dead looks alive: https://github.com/verl-project/verl/issues/10 and the like)."""
    from evalharness.clients import pool
    from evalharness.executor import Answered, QuestionPiece, Recipe
    from evalharness.executors import _replica
    from evalharness.records import Message, Request

    class EndedError(Exception):
        pass

    def end(code):
        raise EndedError(code)

    monkeypatch.setattr(pool, "_backoff", lambda *_: 0.0)
    monkeypatch.setattr(_replica.os, "_exit", end)
    monkeypatch.setenv("FAKE", "dies")
    recipe = Recipe(spec=f"vllm:{tmp_path / 'm'}", options={"concurrency": 1})
    copy = _replica.Replica(plugins.load_model(recipe.spec, recipe.options), recipe)
    came = []
    with pytest.raises(EndedError):
        asked = tuple(Request(messages=(Message("user", f"Question {n}"),)) for n in range(5))
        for message in copy.answers(QuestionPiece(number=0, requests=asked)):
            came += message.answers if isinstance(message, Answered) else []
    assert sorted(index for index, _ in came) == [0, 1] and not any(response.error for _, response in came)
    assert "vllm ended: " in capsys.readouterr().err
    copy._model.close()
    assert alive(engines) == []


@pytest.mark.slow  # a server that is gone is asked again for a while, three times
def test_copies_whose_servers_end_again_and_again_end_the_run_in_one_line(engines, evalh, monkeypatch):
    monkeypatch.setenv("FAKE", "dies")
    said = evalh(*words("vllm:m", "--concurrency", 1, "--replicas", 1))
    assert said.code == 2 and "lost again and again" in said.err and "vllm ended" in said.err


@pytest.mark.parametrize(
    ("model", "more", "fake", "wanted"),
    [
        ("vllm:m", (), "crash", "vllm ended while it started: RuntimeError: no GPU was found"),
        (
            "vllm:m",
            ("--start-timeout", 1),
            "silent",
            "vllm was not ready after 1 s: it said nothing; give --start-timeout",
        ),
        ("vllm:", (), "", "vllm needs a folder or a hub id"),
        ("vllm:nowhere", (), "", "there is no such folder"),
        ("vllm:bin", (), "", "the folder has no config.json"),
        ("llamacpp:nowhere.gguf", (), "", "there is no such file"),
        ("llamacpp:m/config.json", (), "", "is no GGUF file (it begins with b'{\"mo')"),
        ("vllm:m", ("--engine-args", "--a 'b"), "", "--engine-args: No closing quotation"),
        ("vllm:m", ("--engine-args", "--port x"), "", "--port wants a number"),
        ("vllm:m", ("--engine-python", "/no/python"), "", "--engine-python: there is no program '/no/python'"),
        ("vllm:m", ("--engine-python", sys.executable), "", "No module named 'vllm'); pip install vllm there"),
        ("vllm:m", ("--base-url", "http://x/v1"), "", "vllm takes no option base_url"),
        ("vllm:m", ("--dtype", "int4"), "", "--dtype wants"),
        ("vllm:m", ("--extra", "[1]"), "", "--extra"),
        ("vllm:m", ("--template", "none", "--mode", "rank"), "", "cannot rank choices"),
        (
            "vllm:m",
            ("--template", "none", "--mode", "rank", "--rank-by", "prompt_logprobs"),
            "",
            "0 log-probabilities of prompts can be held to those of generated tokens",
        ),
        ("vllm:m", ("--rank-by", "prompt_logprobs"), "", "--rank-by prompt_logprobs does nothing without --template"),
    ],
)
def test_what_cannot_be_served_is_one_line(engines, evalh, monkeypatch, model, more, fake, wanted):
    monkeypatch.setenv("FAKE", fake)
    said = evalh(*words(model, "--json", *more))
    assert (said.code, said.err.strip().splitlines()[-1].startswith("evalh: ")) == (2, True)
    assert wanted in said.err and said.err.count("\n") == 1
    # A server that was ended while Python began has not noted itself yet.
    assert not engines.exists() or not engines.read_text() or alive(engines) == []


def test_a_port_that_is_taken_is_one_line(engines, evalh):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = evalh(*words("vllm:m", "--json", "--engine-args", f"--port {taken.getsockname()[1]}"))
    assert said.code == 2 and "is taken" in said.err and said.err.count("\n") == 1 and not engines.exists()


@pytest.mark.parametrize(
    ("model", "program"), [("vllm:m", "vllm"), ("sglang:m", "sglang"), ("llamacpp:m.gguf", "llama")]
)
def test_what_is_not_installed_says_what_to_install(engines, evalh, monkeypatch, model, program):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = evalh(*words(model))
    assert said.code == 2 and "pip install" in said.err and program in said.err and said.err.count("\n") == 1


def test_the_fingerprint_is_of_weights_and_settings_and_of_no_port(engines, tmp_path):
    def fingerprint(**options):
        return plugins.load_model(f"vllm:{tmp_path / 'm'}", options).fingerprint

    plain = fingerprint()
    assert plain == fingerprint(concurrency=3, start_timeout=5.0)
    others = {fingerprint(engine_args="--seed 1"), fingerprint(dtype="float16"), fingerprint(template="none"),
              fingerprint(context=7), fingerprint(system="x"), plain,
              fingerprint(template="none", rank_by="prompt_logprobs")}  # fmt: skip
    assert len(others) == 7
    (tmp_path / "m" / "model.safetensors").write_bytes(b"other weights")
    assert fingerprint() != plain


@pytest.mark.parametrize(
    ("gpus", "heads", "wanted", "size"),
    [
        ("0,1,2,3", 32, 0, 4),
        ("0,1,2", 32, 0, 2),
        ("", 32, 0, 1),
        ("-1", 32, 0, 1),
        ("0,1,2", 32, 3, 3),
        ("0,1", 7, 0, 1),
    ],
)
def test_a_model_is_split_over_the_gpus_that_its_heads_allow(monkeypatch, tmp_path, gpus, heads, wanted, size):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": heads}))
    assert _started.parallel_size(str(tmp_path), EngineOptions(tensor_parallel=wanted)) == size


def test_the_log_is_its_owners_alone(engines, tmp_path):
    model = plugins.load_model(f"vllm:{tmp_path / 'm'}")
    model.opened()
    assert stat.S_IMODE(model._server.folder.stat().st_mode) == 0o700
    model.close()
    assert alive(engines) == []


@pytest.mark.slow
def test_a_real_llama_cpp_answers_from_a_gguf_file(evalh, tmp_path):
    """The whole road with llama.cpp's own server, and doctor's examination of it."""
    pytest.importorskip("gguf", reason="a GGUF file is written with the package gguf")
    pytest.importorskip("xllamacpp", reason="llama.cpp's server is in the package xllamacpp")
    from engine_server import TINY

    from evalharness.exports.gguf_file import write_gguf

    local = plugins.load_model(f"local:{TINY}", {"threads": 1})
    file = write_gguf(TINY, local.rendering, kind="f32", target=tmp_path / "tiny.gguf").path
    said = evalh("run", "tiny_exam", "--data", "sample", "--limit", 20, "--model", f"llamacpp:{file}", "--json")
    here = evalh("run", "tiny_exam", "--data", "sample", "--limit", 20, "--model", f"local:{TINY}", "--json")
    assert said.code == 0
    there, ours = (one.json["benchmarks"]["tiny_exam"]["metrics"]["accuracy"]["value"] for one in (said, here))
    assert there == pytest.approx(ours, abs=0.15)
    examined = evalh("doctor", f"llamacpp:{file}", "--json")
    found = {one["check"]: one["verdict"] for one in examined.json["findings"]}
    assert examined.code == 0 and found["reachable"] == found["determinism"] == "ok"


def test_copies_start_a_server_each_and_end_it(engines, evalh):
    said = evalh(*words("vllm:m", "--replicas", 2, "--json", "--limit", 20))
    assert said.code == 0, said.err
    assert said.json["benchmarks"]["mmlu@sample"]["n"] == 20
    until(lambda: alive(engines) == [])
    given = json.loads(Path(f"{engines}.args").read_text())
    assert given[given.index("--tensor-parallel-size") + 1] == "1"  # each copy sees a GPU of its own
