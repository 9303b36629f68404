"""What goes out in another program's format comes back as it was."""

import pytest

from evalharness.runs.store import Run


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run of multiple choice and of numbers, some of which cannot be read."""
    from evalharness.cli import guarded

    folder = tmp_path_factory.mktemp("ours")
    asked = ["run", "tiny_exam", "gsm8k", "--data", "sample", "--limit", "12", "--name", "ours", "--runs", str(folder)]
    assert guarded(asked) == 0
    run = Run(folder / "ours")
    assert {"correct", "wrong", "unparsed"} <= {one.status for one in run.results()}
    return run


def told(result, name):
    """What must come back; a program that has no word for a cut answer has one for an answer that was not read."""
    status = "unparsed" if name == "lm_eval" and result.status == "truncated" else result.status
    sample, response = result.sample, result.response
    return (
        result.repeat, status, result.answer, dict(result.scores), response.text, response.logprobs,
        result.request.messages, sample.question, sample.choices, sample.gold_indices, sample.answers, sample.group,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["lm_eval", "inspect", "every_eval_ever"])
def test_a_run_comes_back(evalh, kept, tmp_path, name):
    said = evalh("export", kept.path, name, "--to", "out")
    assert said.code == 0, said.err
    ours = {one.sample.id: told(one, name) for one in kept.results()}
    files = ["out"] if name == "lm_eval" else [p for p in said.out.split() if not p.endswith("_samples.jsonl")]
    back = {}
    for number, file in enumerate(files):
        assert evalh("import", name, file, "--name", f"back{number}").code == 0
        back |= {one.sample.id: told(one, name) for one in Run(tmp_path / f"runs/back{number}").results()}
    assert back == ours
