"""Runs in object stores: written here, sent in whole lines, read anywhere; a store that fails costs a warning."""

import json
import os
import threading
import urllib.request
from pathlib import Path

import fsspec
import pytest
from starlette.testclient import TestClient
from stub_server import serve

from evalharness import api
from evalharness.errors import UserError
from evalharness.events import Warned, observed_by
from evalharness.runs import object_stores
from evalharness.runs.object_stores import Mirror, is_store, mirrored

FILES = ("run.json", "results.jsonl", "summary.json")
ECHO = ("run", "mmlu", "--data", "sample", "--model", "echo", "--limit", 20)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Be another machine: the mirrors of this name are its own."""
    monkeypatch.setattr(object_stores, "EVERY", 0.05)
    monkeypatch.setattr(object_stores, "_PAUSE", 0.01)

    def be(name):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return tmp_path / name / "evalharness" / "stores"

    be("one")
    return be


@pytest.fixture(params=["memory", "s3"])
def store(request, machine, monkeypatch):
    """An address in a store that is empty, and its file system: fsspec's own memory, and moto's S3 server."""
    if request.param == "memory":
        files = fsspec.filesystem("memory")
        files.store.clear()
        yield "memory://bucket/runs", files
        files.store.clear()
        return
    pytest.importorskip("s3fs", reason="S3 needs the package s3fs (extra `stores`)")
    server = pytest.importorskip("moto.server", reason="a store to test against needs moto[server]")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "a-key-id", "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "a-secret-key", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", b"").close()  # it is one store for the process
    files = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    files.mkdir("bucket")
    yield "s3://bucket/runs", files
    running.stop()
    fsspec.filesystem("s3").clear_instance_cache()


def objects(files):
    return {name.strip("/").removeprefix("bucket/runs/"): name for name in files.find("bucket/runs")}


def test_a_run_is_there_for_another_machine(store, machine, evalh):
    address, files = store
    assert evalh(*ECHO, "--name", "here").code == 0
    assert evalh(*ECHO, "--runs", address, "--name", "a").code == 0
    assert not Path("runs/a").exists()
    found = objects(files)
    assert set(found) == {"a/run.json", "a/results.jsonl", "a/summary.json"}
    assert files.cat_file(found["a/summary.json"]) == Path("runs/here/summary.json").read_bytes()
    kept = b"".join(files.cat_file(name) for name in found.values())
    assert b"a-secret-key" not in kept and b"a-key-id" not in kept and str(machine("one")).encode() not in kept

    machine("two")
    assert evalh("show", f"{address}/a", "--wrong", "--limit", 2).code == 0
    assert evalh("verify", "a", "--runs", address).code == 0
    assert evalh("compare", f"{address}/a", "runs/here", "--json").json["tasks"]
    assert evalh("leaderboard", f"{address}/a", "here", "--json").code == 0
    assert "mmlu@sample" in evalh("list", "runs", "--runs", address).out
    again = evalh(*ECHO, "--runs", address, "--name", "a", "--json")
    assert again.code == 0 and again.json["benchmarks"]["mmlu@sample"]["n"] == 20
    assert objects(files) == found


def test_baselines_are_kept_and_found_there(store, machine, evalh):
    address, _ = store
    baselines = f"{address}/kept"
    assert evalh(*ECHO, "--name", "a").code == 0
    assert evalh("baseline", "set", "a", "--name", "main", "--baselines", baselines).code == 0
    machine("two")
    assert evalh("compare", "main", "a", "--baselines", baselines, "--json").code in (0, 5)
    assert evalh("compare", f"{baselines}/main.jsonl", "a", "--json").code in (0, 5)


def test_a_stopped_run_is_there_in_whole_lines_and_goes_on_elsewhere(store, machine, evalh):
    address, files = store
    folder = machine("one") / address.replace("://", "/") / "a"
    assert evalh(*ECHO, "--name", "whole").code == 0
    evalh(*ECHO, "--runs", address, "--name", "a")
    journal = Path("runs/whole/results.jsonl").read_bytes()
    lines = journal.splitlines(True)
    for name in objects(files).values():
        if not name.endswith("run.json"):
            files.rm(name)
    (folder / "summary.json").unlink()
    (folder / ".results.jsonl.store").unlink()
    mirror = Mirror(address)
    with (folder / "results.jsonl").open("wb") as file:
        for some in (lines[:3], lines[3:4], lines[4:7]):
            file.write(b"".join(some))
            file.write(b'{"torn')
            file.flush()
            assert mirror.send()
            file.seek(-6, os.SEEK_CUR)
            file.truncate()
    parts = sorted(name for name in objects(files) if "parts" in name)
    assert len(parts) == 3 and "a/results.jsonl" not in objects(files)
    assert b"".join(files.cat_file(f"bucket/runs/{name}") for name in parts) == b"".join(lines[:7])

    elsewhere = machine("two") / address.replace("://", "/") / "a"
    with mirrored(address):
        assert (elsewhere / "results.jsonl").read_bytes() == b"".join(lines[:7])
    assert evalh(*ECHO, "--runs", address, "--name", "a").code == 0
    assert set(objects(files)) == {"a/run.json", "a/results.jsonl", "a/summary.json"}
    now = files.cat_file("bucket/runs/a/results.jsonl").splitlines()
    assert len(now) == 20 and b"".join(line + b"\n" for line in now[:7]) == b"".join(lines[:7])
    assert files.cat_file("bucket/runs/a/summary.json") == Path("runs/whole/summary.json").read_bytes()


def test_a_broken_connection_costs_a_warning_and_the_next_command_sends_the_rest(machine, evalh, monkeypatch):
    files = fsspec.filesystem("memory")
    files.store.clear()
    address, broken = "memory://bucket/runs", threading.Event()
    put = type(files).put_file

    def failing(self, *words, **more):
        if broken.is_set():
            raise ConnectionError("the line is dead")
        return put(self, *words, **more)

    monkeypatch.setattr(type(files), "put_file", failing)
    broken.set()
    said = evalh(*ECHO, "--runs", address, "--name", "a")
    assert said.code == 0 and "the line is dead" in said.err and "the next command sends it" in said.err
    assert said.err.count("cannot be written") == 1
    assert not [name for name in objects(files) if name.endswith("summary.json")]
    broken.clear()
    assert evalh("show", f"{address}/a").code == 0
    assert {"a/run.json", "a/results.jsonl", "a/summary.json"} <= set(objects(files))
    files.store.clear()


def test_a_store_that_cannot_be_read_is_one_line_before_anything_is_asked(machine, evalh, monkeypatch):
    files = fsspec.filesystem("memory")

    def failing(*_, **__):
        raise OSError("access denied")

    monkeypatch.setattr(type(files), "find", failing)
    said = evalh(*ECHO, "--runs", "memory://bucket/runs")
    assert said.code == 2 and "access denied" in said.err and said.err.count("\n") == 1


@pytest.mark.slow  # the store's own package tries for some seconds
def test_an_endpoint_where_nobody_is_and_no_credentials_are_one_line(machine, evalh, monkeypatch):
    s3fs = pytest.importorskip("s3fs", reason="S3 needs the package s3fs (extra `stores`)")
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for keys in ("", "a-key"):
        if keys:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys)
        said = evalh("show", "a", "--runs", "s3://bucket/runs")
        assert said.code == 2 and "cannot be read" in said.err and said.err.count("\n") == 1, said.err
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://KEY:hunter2@bucket/runs", "without user, key and query"),
        ("s3://bucket/runs?secret=hunter2", "without user, key and query"),
        ("memory://bucket/../../../etc", None),
    ],
)
def test_odd_addresses(machine, evalh, address, said):
    found = evalh("show", "a", "--runs", address)
    assert found.code == 2 and found.err.count("\n") == 1 and "hunter2" not in found.err
    assert said is None or said in found.err


def test_an_object_cannot_lead_out_of_the_mirror(machine):
    files = fsspec.filesystem("memory")
    files.store.clear()
    outside = machine("one") / "outside"
    mirror = Mirror("memory://bucket/runs")
    with pytest.raises(ValueError, match="leads out"):
        mirror._bring("../../../outside", ["x"], "")
    assert not outside.exists()


def test_what_both_sides_wrote_is_kept_here_and_said(machine):
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe_file("/bucket/runs/a/note.json", b"1")
    mirror = Mirror("memory://bucket/runs")
    mirror.fetch()
    here = mirror.folder / "a" / "note.json"
    assert here.read_bytes() == b"1"
    here.write_bytes(b"ours")
    files.pipe_file("/bucket/runs/a/note.json", b"theirs")
    heard = []
    with observed_by(heard.append):
        mirror.fetch()
    assert here.read_bytes() == b"ours" and any("written here and in" in e.text for e in heard if isinstance(e, Warned))
    files.store.clear()


def test_what_is_gone_there_is_gone_here(machine):
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe_file("/bucket/runs/a/note.json", b"1")
    files.pipe_file("/bucket/runs/b/note.json", b"2")
    mirror = Mirror("memory://bucket/runs")
    mirror.fetch()
    unsent = mirror.folder / "a" / "own.json"
    unsent.write_bytes(b"3")
    files.rm("/bucket/runs/a/note.json")
    mirror.fetch()
    assert not (mirror.folder / "a" / "note.json").exists() and unsent.exists()
    assert (mirror.folder / "b" / "note.json").read_bytes() == b"2"
    files.store.clear()


def test_paid_answers_go_with_their_folder_until_they_are_cleared(store, machine, evalh, monkeypatch):
    address, files = store
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    with serve(lambda body: "#### 5") as stub:
        ask = ("run", "gsm8k", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--limit", 4)
        assert evalh(*ask, "--runs", address, "--name", "a").code == 0 and len(stub.seen) == 4
        machine("two")
        assert evalh(*ask, "--runs", address, "--name", "b").code == 0 and len(stub.seen) == 4
        assert evalh("cache", "why", f"{address}/b", "--json").json["from_cache"] == 4
        assert evalh("cache", "verify", "--runs", address, "--json").json["good"] == 4
        assert ".cache/replies.sqlite" in objects(files)
        assert evalh("cache", "clear", "--runs", address).code == 0
        assert set(objects(files)) == {f"{run}/{file}" for run in "ab" for file in FILES}
        machine("one")
        gone = evalh("cache", "stats", "--runs", address)
        assert gone.code == 2 and "no cache" in gone.err
        assert evalh(*ask, "--runs", address, "--name", "c").code == 0 and len(stub.seen) == 8


def test_a_cache_that_another_machine_wrote_meanwhile_stays(machine):
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe_file("/bucket/runs/.cache/replies.sqlite", b"1")
    files.pipe_file("/bucket/runs/a/note.json", b"1")
    mirror = Mirror("memory://bucket/runs")
    mirror.fetch()
    for name in (".cache/replies.sqlite", "a/note.json"):
        (mirror.folder / name).unlink()
    files.pipe_file("/bucket/runs/.cache/replies.sqlite", b"another")
    assert mirror.send(ended=True) and set(objects(files)) == {".cache/replies.sqlite", "a/note.json"}
    mirror.fetch()
    assert (mirror.folder / ".cache" / "replies.sqlite").read_bytes() == b"another"
    assert (mirror.folder / "a" / "note.json").is_file(), "no run of the store is deleted by a mirror"
    files.store.clear()


def test_runs_of_a_store_in_a_browser(store, machine, evalh, monkeypatch):
    address, files = store
    assert evalh(*ECHO, "--runs", address, "--name", "a").code == 0
    before = objects(files)
    machine("two")
    for number, words in enumerate([(address,), (f"{address}/a",), ("a",)]):
        said = evalh("view", "export", *words, f"site{number}", *(["--runs", address] if words == ("a",) else []))
        assert said.code == 0 and (Path(f"site{number}") / "index.html").is_file(), said.err
    pages = []

    def served(app, place, show):
        place.socket.close()
        pages.append(TestClient(app, base_url="http://127.0.0.1").get("/").text)

    monkeypatch.setattr("evalharness.web.serving.serve_pages", served)
    assert evalh("view", "--runs", address, "--port", 0).code == 0
    assert "mmlu@sample" in pages[0] and objects(files) == before


def test_an_address_of_this_machine_is_its_folder_and_any_other_is_refused(machine, evalh, tmp_path):
    folder = tmp_path / "else where"
    assert evalh(*ECHO, "--runs", f"file://{folder}", "--name", "a").code == 0 and (folder / "a/summary.json").is_file()
    assert evalh("show", f"file://{folder}/a").code == 0
    assert api.load_run("a", runs=f"file://{folder}").metrics
    for address in ("https://KEY@host/runs", "s4://bucket/runs", "file://host/runs"):
        said = evalh(*ECHO, "--runs", address)
        assert said.code == 2 and "wanted a folder" in said.err and said.err.count("\n") == 1, said.err
        assert "KEY" not in said.err
    with pytest.raises(UserError, match="wanted a folder"):
        api.load_run("a", runs=Path("https://host/runs"))
    assert {path.name for path in Path().iterdir()} <= {folder.name, "one"}


def test_what_is_a_store_and_what_is_not():
    assert is_store("s3://b/x") and is_store(Path("gs://b/x")) and is_store("hf://datasets/a/b")
    for word in (
        "runs",
        "/tmp/x",
        "http://h/x",
        "https://h",
        "local:/x",
        "./a",
        "C:/x",
        "postgresql://h/d",
        "openai:gpt",
    ):
        assert not is_store(word), word


def test_programs_name_stores_too(machine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = fsspec.filesystem("memory")
    files.store.clear()
    run = api.evaluate("mmlu", "echo", data="sample", limit=20, runs="memory://bucket/runs", name="a")
    assert run.metrics and set(objects(files)) >= {"a/summary.json", "a/run.json"}
    machine("two")
    assert api.load_run("memory://bucket/runs/a").metrics == run.metrics
    assert api.load_run("a", runs="memory://bucket/runs").metrics == run.metrics
    assert api.compare("memory://bucket/runs/a", run).decisions
    with pytest.raises(UserError, match="there is no run"):
        api.load_run("memory://bucket/runs/b")
    assert not Path("memory:").exists()
    files.store.clear()


def test_the_notes_of_a_mirror_are_json(machine):
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe_file("/bucket/runs/a/note.json", b"1")
    mirror = Mirror("memory://bucket/runs")
    mirror.fetch()
    note = mirror.folder / "a" / ".note.json.store"
    assert json.loads(note.read_bytes())["size"] == 1
    note.write_bytes(b"{torn")
    assert mirror.send() and mirror.folder.is_dir()
    files.store.clear()
