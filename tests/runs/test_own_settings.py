"""What a plan says of single benchmarks is what is asked of them, and of nobody else."""

from evalharness.options import RunOptions
from evalharness.records import Response
from evalharness.runs import session
from evalharness.runs.manifest import OwnSampling
from evalharness.runs.plan import Plan
from evalharness.runs.session import RunHooks, RunPlace


class Noting:
    """A model that answers nothing and remembers what it was asked, by benchmark in order."""

    name, fingerprint, chat, ranks = "noting", "noting-1", True, True

    def __init__(self):
        self.asked = []

    def describe(self):
        return {}

    def answer(self, requests):
        self.asked.append(list(requests))
        for index, request in enumerate(requests):
            yield index, Response(text="A", logprobs=tuple(map(float, range(len(request.choices)))), finish="stop")


def asked(tmp_path, *names, **said):
    """Benchmark -> the requests that a run of the plan sends for it."""
    model = Noting()
    plan = Plan(benchmarks=names, data="sample", options=RunOptions(), **said)
    found = session.run_plan(plan, model, RunPlace(runs=tmp_path / "runs"), RunHooks())
    assert list(found.run.manifest.benchmarks) == [f"{name}@sample" for name in names]
    return dict(zip(names, model.asked, strict=True)), found.run.manifest.benchmarks


def test_settings_of_one_benchmark_reach_its_requests_and_no_others(tmp_path):
    own = {"arc/challenge": {"shots": 0, "mode": "write", "limit": 3, "max_tokens": 7, "temperature": 0.5}}
    requests, facts = asked(tmp_path, "mmlu", "arc/challenge", shots=2, mode="rank", limit=5, own=own)
    assert len(requests["mmlu"]) == 5 and len(requests["arc/challenge"]) == 3
    assert all(r.choices and r.text.count("Answer:") == 3 for r in requests["mmlu"]), "two examples and the question"
    assert not any(r.choices for r in requests["arc/challenge"])
    assert {(r.max_tokens, r.temperature) for r in requests["arc/challenge"]} == {(7, 0.5)}
    assert {r.temperature for r in requests["mmlu"]} == {0.0}
    said = {name: (entry.mode, entry.shots, entry.limit) for name, entry in facts.items()}
    assert said == {"mmlu@sample": ("rank", 2, 5), "arc/challenge@sample": ("write", 0, 3)}


def test_what_is_said_of_a_task_comes_before_what_is_said_of_its_family(tmp_path):
    own = {"arc": {"limit": 2, "shots": 1}, "arc/easy": {"limit": 4}}
    requests, facts = asked(tmp_path, "arc/challenge", "arc/easy", own=own)
    assert {name: len(sent) for name, sent in requests.items()} == {"arc/challenge": 2, "arc/easy": 4}
    assert {entry.shots for entry in facts.values()} == {1}


def test_how_one_benchmark_is_sampled_decides_which_run_it_is(tmp_path):
    plain = {"arc/challenge": {"temperature": 0.5}}
    _, facts = asked(tmp_path, "mmlu", "arc/challenge", own=plain)
    assert facts["mmlu@sample"].sampling is None
    assert facts["arc/challenge@sample"].sampling == OwnSampling(temperature=0.5, top_p=1.0)
    for other in ({"temperature": 0.7}, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "max_tokens": 7}):
        asked(tmp_path, "mmlu", "arc/challenge", own={"arc/challenge": other})
    asked(tmp_path, "mmlu", "arc/challenge")
    assert len(list((tmp_path / "runs").iterdir())) == 5, "each its own run, none goes on with another's answers"
