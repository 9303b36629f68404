"""Pages asked for in this process."""

import json

import pytest

pytest.importorskip("starlette", reason="the pages need the extra `web`")
from run_folders import letters, make_run
from web_pages import client_of

from evalharness.web.application import view_application
from evalharness.web.arena_application import arena_application
from evalharness.web.arena_pages import ArenaTerms
from evalharness.web.arena_prompts import RecordedPrompts
from evalharness.web.arena_store import ArenaStore
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key


@pytest.fixture
def runs(tmp_path):
    """Two finished runs of one benchmark, one of another, and one under way."""
    folder = tmp_path / "runs"
    make_run(folder / "base", lines=answers("1101010100" * 6), model={"name": "openai:base", "fingerprint": "b"})
    make_run(folder / "tuned", lines=answers("0111011110" * 6), model={"name": "local:tuned", "fingerprint": "t"})
    make_run(folder / "other", "1110", benchmark="maths", created="2026-02-01T00:00:00+00:00")
    make_run(folder / "going", "110", summary=False)
    for name in ("base", "tuned", "other"):
        file = folder / name / "summary.json"
        summary = json.loads(file.read_text())
        for entry in summary["benchmarks"].values():
            entry["headline"] = "accuracy"
        file.write_text(json.dumps(summary))
    return folder


def answers(text):
    lines = letters("quiz", text, groups=3)
    for place, one in enumerate(lines):
        right = text[place] == "1"
        one["answer"] = "A" if right else "B"
        one["response"] = {"text": f"I weigh both. The answer is {one['answer']}.", "finish": "stop", "thinking": "Hm."}
        one["detail"] = {"rule": "answer is LETTER"}
    return lines


@pytest.fixture
def view(runs):
    """The pages of runs, asked in this process."""
    return client_of(view_application(RunLibrary([], runs), GuardTerms()))


@pytest.fixture
def key(runs):
    return lambda name: run_key(runs / name)


PROMPTS = [
    {"item": f"q{n}", "prompt": f"Question {n}?", "category": ["science", "writing"][n % 2],
     "answers": {"acme/alpha-7b": f"first {n}", "beta": f"second {n}", "gamma": f"third {n}"}}
    for n in range(30)
]  # fmt: skip


@pytest.fixture
def arena(tmp_path):
    """Makes an arena over recorded answers: `arena(rows=..., **terms)` gives its application and its store."""
    opened = []

    def made(rows=PROMPTS, models=(), **terms):
        file = tmp_path / "prompts.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        store = ArenaStore(f"sqlite:///{tmp_path}/votes.sqlite")
        opened.append(store)
        held = ArenaTerms(**{"votes_per_minute": 1e6, "joins_per_minute": 1e6, **terms})
        return arena_application(store, RecordedPrompts(file, models), held, GuardTerms()), store

    yield made
    for store in opened:
        store.close()
