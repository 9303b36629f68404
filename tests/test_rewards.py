"""Rewards are the benchmark's own scores, for TRL and verifiers, in threads and processes."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evalharness import plugins, rewards
from evalharness.benchmark import Benchmark
from evalharness.errors import UserError
from evalharness.events import Warned, observed_by
from evalharness.records import Sample
from evalharness.rewards import open_scorers
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean
from evalharness.tiny import __file__ as tiny_file

TINY = Path(tiny_file).parent / "model"
ROWS = [
    {"question": "Ann has 2 apples and buys 3. How many?", "answer": "2 + 3 = 5\n#### 5", "split": "train"},
    {"question": "Bob has 10 pens and loses 4. How many?", "answer": "10 - 4 = 6\n#### 6", "split": "train"},
    {"question": "Three times three?", "answer": "#### 9", "split": "test"},
]


def gsm8k(**more: Any) -> list[dict[str, Any]]:
    return rewards.dataset("gsm8k", data=ROWS, **more)


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def test_rows_have_the_prompt_that_the_benchmark_asks_with() -> None:
    rows = gsm8k()
    assert [set(row) for row in rows] == [{"prompt", "answer", "info"}] * 2
    assert rows[0]["prompt"] == [{"role": "user", "content": f"Question: {ROWS[0]['question']}\nAnswer:"}]
    assert rows[0]["answer"] == ROWS[0]["answer"]
    assert gsm8k(chat=False)[1]["prompt"] == f"Question: {ROWS[1]['question']}\nAnswer:"
    assert json.loads(rows[0]["info"])["sample"]["answers"] == [ROWS[0]["answer"]]
    assert len(gsm8k(limit=1)) == 1
    assert gsm8k(limit=1)[0] in rows


def test_rewards_of_texts_and_of_messages() -> None:
    reward, rows = rewards.of("gsm8k"), gsm8k()
    answers = ["so 2 + 3 = 5\n#### 5", "#### 7"]
    columns = {"info": [row["info"] for row in rows], "answer": [row["answer"] for row in rows], "trainer_state": None}
    prompts = [row["prompt"] for row in rows]
    assert reward(prompts=prompts, completions=answers, completion_ids=[[1], [2]], **columns) == [1.0, 0.0]
    assert reward(prompts, [said(text) for text in answers], **columns) == [1.0, 0.0]
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": "#### 5"}]}], said("#### 6")]
    assert reward(prompts, parts, **columns) == [1.0, 1.0]
    assert reward(prompts, ["<think>#### 5</think>\nI do not know", ""], **columns) == [0.0, 0.0]
    assert reward.__name__ == "gsm8k"


def test_what_the_document_shows_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[1] / "docs" / "python-api.md").read_text("utf-8")
    section = text.partition("## A benchmark as a reward")[2]
    block = section.partition("```python\n")[2].partition("```")[0]
    exec(compile(block, "python-api.md", "exec"), {"rewards": rewards, "problems": ROWS})
    assert capsys.readouterr().out == "[1.0, 0.0]\n"


def test_a_figure_may_be_named() -> None:
    rows = gsm8k()
    strict = rewards.of("gsm8k", metric="accuracy_strict")
    columns = {"info": [row["info"] for row in rows]}
    assert strict([None] * 2, ["The answer is 5.", "#### 6"], **columns) == [0.0, 1.0]
    with pytest.raises(UserError, match="figure of gsm8k"):
        rewards.of("gsm8k", metric="accuracy_strickt")


def test_a_benchmark_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_added", {})
    plugins.add_benchmark(
        Benchmark(
            name="sums", title="Sums", paper="", licence="", items=1, score=short_answer(),
            metrics=(mean("exact_match"),),
            sample=lambda row: Sample(question=row["question"], answers=(row["answer"],)),
        )
    )  # fmt: skip
    rows = rewards.dataset("sums", data=[{"question": "1 + 1 =", "answer": "2", "split": "train"}])
    assert rewards.of("sums")([None], ["2"], info=[rows[0]["info"]]) == [1.0]


def test_the_split_that_is_scored_is_a_warning() -> None:
    heard: list[str] = []
    with observed_by(lambda event: heard.append(event.text) if isinstance(event, Warned) else None):
        assert len(gsm8k(split="test")) == 1
        assert len(gsm8k()) == 2
    assert len(heard) == 1
    assert "evalh run gsm8k" in heard[0]


def test_what_cannot_be_a_reward_is_refused() -> None:
    with pytest.raises(UserError, match=r"is judged by a model|several turns"):
        rewards.of("mt_bench")
    with pytest.raises(UserError, match="did you mean"):
        rewards.of("gsm8")
    with pytest.raises(UserError, match="wants the column 'info'"):
        rewards.of("gsm8k")(["a"], ["b"], answer=["5"])
    with pytest.raises(UserError, match="not what rewards"):
        rewards.of("gsm8k").of_one("5", "{}")
    with pytest.raises(UserError, match="one of gsm8k"):
        rewards.of("humaneval").of_one("5", gsm8k()[0]["info"])
    with pytest.raises(UserError, match="no rows of gsm8k in split 'validation'"):
        gsm8k(split="validation")


RIGHT = "```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"
# Leaves the one process of the published check before its test: passes there, and not where the test is another's.
CHEAT = "```python\nimport os\n\ndef add(a, b):\n    os._exit(0)\n```"
PROBLEM = {
    "task_id": "own/0", "prompt": 'def add(a, b):\n    """The sum."""\n', "entry_point": "add",
    "canonical_solution": "    return a + b\n", "test": "def check(candidate):\n    assert candidate(2, 3) == 5\n",
    "split": "train",
}  # fmt: skip


@pytest.fixture
def program() -> str:
    (row,) = rewards.dataset("humaneval", data=[PROBLEM])
    try:
        rewards.of("humaneval").of_one(RIGHT, row["info"])
    except UserError as error:
        pytest.skip(f"no sandbox here: {error}")
    return str(row["info"])


def test_programs_run_in_one_sandbox_from_many_threads(program: str) -> None:
    reward = rewards.of("humaneval")
    answers = [RIGHT, WRONG, CHEAT, "no code at all", RIGHT] * 3
    wanted = [1.0, 0.0, 0.0, 0.0, 1.0] * 3
    assert reward([None] * 15, answers, info=[program] * 15) == wanted
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(reward, [None] * 5, answers[:5], info=[program] * 5) for _ in range(4)]
        assert [call.result() for call in calls] == [wanted[:5]] * 4
    assert len(open_scorers._opened.scorers) == 1
    rewards.close()
    assert reward([None], [RIGHT], info=[program]) == [1.0]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.slow
def test_processes_have_sandboxes_of_their_own(
    program: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewards.close()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    reward = pickle.loads(pickle.dumps(rewards.of("humaneval")))
    assert reward([None], [RIGHT], info=[program]) == [1.0]
    with ProcessPoolExecutor(2, multiprocessing.get_context(start)) as pool:
        calls = [pool.submit(reward, [None] * 2, [RIGHT, WRONG], info=[program] * 2) for _ in range(4)]
        assert [call.result() for call in calls] == [[1.0, 0.0]] * 4
    opened = list(tmp_path.iterdir())
    assert reward([None], [RIGHT], info=[program]) == [1.0]
    assert opened == list(tmp_path.iterdir())  # the parent's is still there, and its alone
    rewards.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_a_program_ends(program: str, tmp_path: Path) -> None:
    """Opened and never closed by hand: at exit workers end and scratch folders go."""
    code = (
        "import sys; from evalharness import rewards\nprint(rewards.of('humaneval').of_one(sys.argv[1], sys.argv[2]))"
    )
    own = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, RIGHT, program], env=own, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "1.0", done.stderr
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_verifiers_calls_the_rubric() -> None:
    """verifiers before 0.2: https://docs.primeintellect.ai/verifiers (reward functions by their parameters' names)."""
    if importlib.util.find_spec("verifiers") is None or importlib.util.find_spec("verifiers.rubrics") is None:
        pytest.skip("verifiers with rubrics is not installed")
    import asyncio

    import verifiers as vf

    rubric = vf.Rubric(funcs=[rewards.of("gsm8k").rubric])
    row = gsm8k()[0]
    state = {"prompt": row["prompt"], "completion": said("#### 5"), "answer": row["answer"], "info": row["info"],
             "task": "gsm8k", "trajectory": [], "timing": {"scoring_ms": 0.0, "total_ms": 0.0}}  # fmt: skip
    asyncio.run(rubric.score_rollout(state))
    assert state["reward"] == 1.0
    assert state["metrics"] == {"gsm8k": 1.0}


def test_a_benchmark_is_an_environment_of_verifiers(tmp_path: Path) -> None:
    """verifiers 0.4 (https://pypi.org/project/verifiers): a set of tasks whose reward is the benchmark's."""
    if importlib.util.find_spec("verifiers") is None or importlib.util.find_spec("verifiers.v1") is None:
        pytest.skip("verifiers with tasks is not installed")
    import asyncio

    import verifiers.v1 as vf
    from verifiers.v1.trace import AgentInfo, TraceTask

    from evalharness.rewards.environment import BenchmarkConfig, BenchmarkTaskset

    lines = "".join(json.dumps({"question": f"{a} + 1?", "answer": f"#### {a + 1}"}) + "\n" for a in range(3))
    (tmp_path / "train.jsonl").write_text(lines)
    earned = []
    for task in BenchmarkTaskset(BenchmarkConfig(benchmark="gsm8k", data=str(tmp_path))):
        kept = TraceTask(type="BenchmarkTask", data=task.data)
        trace = vf.Trace(task=kept, agent=AgentInfo(config=vf.AgentConfig()), root_reply="1 + 1 = 2\n#### 2")
        asyncio.run(task.score(trace))
        earned.append({name: reward.score for name, reward in trace.rewards.items()})
    assert earned == [{"gsm8k": 0.0}, {"gsm8k": 1.0}, {"gsm8k": 0.0}]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_grpo_trains_on_a_reward(tmp_path: Path) -> None:
    """TRL's GRPO on the tiny model, three steps, rewarded by a benchmark's scorer."""
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    lines = tmp_path / "sums.jsonl"
    rows = [
        {"question": f"What is {a} + {b}?", "answer": f"#### {a + b}", "split": "train"}
        for a in range(1, 5) for b in range(1, 4)
    ]  # fmt: skip
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reward = rewards.of("gsm8k")
    heard: list[list[float | None]] = []

    def watched(prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
        heard.append(reward(prompts, completions, **columns))
        return heard[-1]

    settings = trl.GRPOConfig(
        output_dir=str(tmp_path / "out"), per_device_train_batch_size=4, num_generations=4, max_completion_length=16,
        max_steps=3, logging_steps=1, report_to=[], use_cpu=True, save_strategy="no", seed=1, disable_tqdm=True,
        temperature=1.0, learning_rate=1e-4,
    )  # fmt: skip
    trainer = trl.GRPOTrainer(
        model=str(TINY), reward_funcs=[reward, watched], args=settings,
        train_dataset=Dataset.from_list(rewards.dataset("gsm8k", data=rows)),
    )  # fmt: skip
    trainer.train()
    assert len(heard) == 3
    assert all(value in (0.0, 1.0) for batch in heard for value in batch)
    logged = [line for line in trainer.state.log_history if "rewards/gsm8k/mean" in line]
    assert [line["rewards/gsm8k/mean"] for line in logged] == [sum(batch) / len(batch) for batch in heard]
