"""Copies of a model in a Ray cluster: the same bytes for any number of them, and whatever is killed costs a piece."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is the extra `scale`")

from evalharness.errors import UserError  # noqa: E402  # behind the skip
from evalharness.events import ResultCame, Warned, observed_by  # noqa: E402
from evalharness.executor import PlacementOptions, Recipe  # noqa: E402
from evalharness.executors import ray as placing  # noqa: E402
from evalharness.runs.placed import PlacedModel  # noqa: E402
from evalharness.runs.session import RunHooks, RunPlace, make_plan, run_plan  # noqa: E402

SECONDS = 240.0
OPTIONS = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes on this machine, each with two cores; its address and its second node."""
    from ray.cluster_utils import Cluster

    settings = {"RAY_AUTH_TOKEN": "a-token-of-this-test" * 2, "RAY_worker_niceness": "0"}  # 15 of its own is slow
    os.environ.update(settings)
    made = Cluster(initialize_head=True, head_node_args=OPTIONS)
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()
        for name in settings:
            del os.environ[name]


def run(name, spec, cluster, *, replicas, hear=lambda *_: None):
    """Run 65 questions with so many copies in the cluster; what was told. `hear` gets each event and the executor."""
    wanted = PlacementOptions(engine="ray", address=cluster.address, replicas=replicas, replica_cores=1)
    executor = placing.open_executor(Recipe(spec=spec, options={}), wanted)
    model, heard = PlacedModel(executor), []

    def hears(event):
        heard.append(event)
        hear(event, executor)

    try:
        with observed_by(hears):
            run_plan(make_plan(["mmlu"], model=spec, data="sample"), model, RunPlace(name=name), RunHooks())
    finally:
        model.close()
    return heard


def summary(name):
    return Path("runs", name, "summary.json").read_bytes()


def keys(name):
    return [json.loads(line)["id"] for line in Path("runs", name, "results.jsonl").read_bytes().splitlines()]


def at_first_result(do):
    done = []

    def hear(event, executor):
        if isinstance(event, ResultCame) and not done:
            done.append(True)
            do(executor)

    return hear


def lost(heard):
    return [event.text for event in heard if isinstance(event, Warned) and "a copy of the model was lost" in event.text]


@pytest.mark.slow
def test_any_number_of_copies_on_one_or_two_nodes_gives_the_same_bytes(cluster, evalh):
    assert evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--name", "alone").code == 0
    for replicas in (1, 2):
        run(f"of{replicas}", "echo", cluster, replicas=replicas)
        assert summary(f"of{replicas}") == summary("alone")
    second = cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
    try:
        run("of4", "echo", cluster, replicas=4)
    finally:
        cluster.remove_node(second)
    assert summary("of4") == summary("alone") and sorted(keys("of4")) == sorted(keys("alone"))
    manifest = json.loads(Path("runs/of4/run.json").read_text())
    assert manifest["model"]["placement"]["engine"] == "ray" and "a-token" not in json.dumps(manifest)


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_node_lose_nothing(cluster, evalh):
    assert evalh("run", "mmlu", "--data", "sample", "--model", "tiny", "--name", "alone").code == 0

    def kill_worker(executor):
        actor = next(iter(executor._actors.values()))
        os.kill(ray.get(actor.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)

    heard = run("worker", "tiny", cluster, replicas=2, hear=at_first_result(kill_worker))
    assert summary("worker") == summary("alone") and len(set(keys("worker"))) == len(keys("worker")) == 65
    assert len(lost(heard)) == 1

    second = cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
    kill = at_first_result(lambda _: cluster.remove_node(second, allow_graceful=False))
    heard = run("node", "tiny", cluster, replicas=3, hear=kill)  # two cores a node: both have copies
    assert summary("node") == summary("alone") and len(set(keys("node"))) == len(keys("node")) == 65


DRIVER = """
import os, signal, sys
from evalharness.events import ResultCame, observed_by
from evalharness.cli import guarded
from evalharness import events
from evalharness.report import progress
came = []
def killing(event):
    if isinstance(event, ResultCame):
        came.append(event)
        if len(came) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
progress.watcher = lambda quiet: killing
guarded(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_driver_goes_on_where_it_was_and_leaves_the_cluster_free(cluster, evalh, tmp_path):
    assert evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--name", "alone").code == 0
    words = ["run", "mmlu", "--data", "sample", "--model", "echo", "--name", "killed", "--engine", "ray",
             "--address", cluster.address, "--replicas", "2", "--replica-cores", "1"]  # fmt: skip
    killed = subprocess.run([sys.executable, "-c", DRIVER, *words], cwd=tmp_path, capture_output=True, timeout=SECONDS)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(keys("killed")) == 5
    again = evalh(*words, "--json")
    assert again.code == 0 and again.json["benchmarks"]["mmlu@sample"]["n"] == 65
    assert summary("killed") == summary("alone") and len(set(keys("killed"))) == len(keys("killed")) == 65
    ray.init(address=cluster.address, log_to_driver=False)
    deadline = time.monotonic() + SECONDS
    while ray.available_resources().get("CPU") != 2:
        assert time.monotonic() < deadline, "the copies of the killed driver are still there"
        time.sleep(0.2)
    ray.shutdown()


def test_a_dead_address_is_one_line_at_once(evalh):
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        before = time.monotonic()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--engine", "ray", "--address", address)
    assert said.code == 2 and "nobody listens there" in said.err and said.err.count("\n") == 1
    assert time.monotonic() - before < 60  # Ray itself would try for minutes
    assert not Path("runs").exists()


def test_somebody_else_at_the_address_is_one_line(evalh):
    with socket.create_server(("127.0.0.1", 0)) as other:  # it takes connections, and says nothing
        address = f"127.0.0.1:{other.getsockname()[1]}"
        said = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--engine", "ray", "--address", address)
    assert said.code == 2 and "no Ray cluster" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("address", ["auto", "ray://127.0.0.1:10001", "host", "host:port", ":6379", "h:99999"])
def test_an_odd_address_is_one_line(evalh, address):
    said = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--engine", "ray", "--address", address)
    assert said.code == 2 and "--address wants HOST:PORT" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("word", ["a100", "a100=", "=1", "a100=-1", "a100=x"])
def test_an_odd_resource_is_one_line(evalh, word):
    said = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--engine", "ray", "--replica-resource", word)
    assert said.code == 2 and "NAME=AMOUNT" in said.err and said.err.count("\n") == 1


def test_how_many_copies_fit_and_what_each_takes():
    gpus = {"CPU": 16.0, "GPU": 4.0, "a100": 2.0}
    takes = placing._each_takes(PlacementOptions(), gpus)
    assert takes == {"num_cpus": 1, "num_gpus": 1} and placing._fitting(takes, gpus) == 4
    takes = placing._each_takes(PlacementOptions(replica_resource=("a100=1",)), gpus)
    assert placing._fitting(takes, gpus) == 2
    takes = placing._each_takes(PlacementOptions(replicas=2), {"CPU": 8.0})
    assert takes == {"num_cpus": 4, "num_gpus": 0} and placing._fitting(takes, {"CPU": 8.0}) == 2
    with pytest.raises(UserError, match="each takes 2 GPU, and of that it has 0"):
        placing._fitting(placing._each_takes(PlacementOptions(replica_gpus=2), {"CPU": 8.0}), {"CPU": 8.0})
