"""MMLU's log-probabilities equal those that lm-evaluation-harness 0.4.13 gave on the same checkpoints and questions.

The figures in lm_eval_mmlu.json were recorded by running this file with the interpreter of an environment that holds
lm_eval (EVALH_PEER_PYTHON): python tests/models/test_lm_eval.py. The checkpoints are random and rebuilt from a seed;
the shorter context cuts some of the prompts.
"""

import json
import sys
from pathlib import Path

import pytest
from closeness import logprobs

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
RECORDED = Path(__file__).with_name("lm_eval_mmlu.json")
LIMIT = 12
SUBJECTS = ("abstract_algebra", "world_religions", "professional_law")
CONFIGS = {
    "gpt2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_embd": 64,
             "n_layer": 2, "n_head": 4, "n_positions": 448, "bos_token_id": 50256, "eos_token_id": 50256},
    "llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 50257, "hidden_size": 64,
              "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
              "head_dim": 16, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "tie_word_embeddings": True, "bos_token_id": 50256, "eos_token_id": 50256},
}  # fmt: skip


def build(kind, folder):
    """The checkpoint of that layout, without a tokenizer."""
    import torch

    from evalharness.engine import checkpoint
    from evalharness.engine.config import parse_config
    from evalharness.engine.decoder import Decoder, initialise

    decoder = Decoder(parse_config(CONFIGS[kind]))
    initialise(decoder, torch.Generator().manual_seed(11), std=0.15)
    checkpoint.save_decoder(decoder, folder)
    return folder


def first_rows(folder):
    """MMLU's folder with the first questions of each subject only."""
    for split in ("dev", "test"):
        (folder / split).mkdir(parents=True)
        for subject in SUBJECTS:
            lines = (DATA / "mmlu" / split / f"{subject}_{split}.csv").read_text(encoding="utf-8").splitlines(True)
            (folder / split / f"{subject}_{split}.csv").write_text("".join(lines[:LIMIT]), encoding="utf-8")
    return folder


@pytest.mark.skipif(not (DATA / "mmlu").is_dir(), reason="the shared data folder is absent")
@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_mmlu_equals_lm_eval(kind, tmp_path):
    from evalharness import plugins
    from evalharness.options import LocalOptions
    from evalharness.runs.plan import Plan, prepare_task

    folder = build(kind, tmp_path / "model")
    options = LocalOptions(threads=1, tokenizer=str(DATA / "gpt2-bpe"))
    model = plugins.load_model(f"local:{folder}", options)
    plan = Plan(benchmarks=("mmlu",), data=str(first_rows(tmp_path / "data")), groups=SUBJECTS)
    task = prepare_task("mmlu", plan, model)
    recorded = json.loads(RECORDED.read_text())[kind]
    responses = dict(model.answer([q.request for q in task.questions]))
    assert len(responses) == sum(len(rows) for rows in recorded.values()) == LIMIT * len(SUBJECTS)
    assert (kind == "gpt2") == any(r.tokens_truncated for r in responses.values())
    for i, question in enumerate(task.questions):
        subject, _, number = question.sample.id.rpartition("/")
        assert responses[i].logprobs == logprobs(recorded[subject][int(number)]), question.sample.id


def record():
    """Ask the peer. Its checkpoint folder needs a tokenizer.json."""
    import tempfile

    sys.path.insert(0, str(ROOT / "perf"))
    from _pairs import _write_tokenizer, child, peer

    python, found = peer(), {}
    with tempfile.TemporaryDirectory() as temporary:
        data = first_rows(Path(temporary) / "data")
        for kind in CONFIGS:
            folder = build(kind, Path(temporary) / kind)
            _write_tokenizer(folder)
            found[kind] = {}
            for subject in SUBJECTS:
                out = Path(temporary) / "out.json"
                child(
                    [
                        python,
                        str(ROOT / "perf" / "_peer.py"),
                        "rank",
                        str(folder),
                        str(data),
                        subject,
                        "5",
                        "1",
                        str(out),
                    ],
                    1,
                )
                rows = json.loads(out.read_text())["logprobs"]
                found[kind][subject] = [[round(x, 6) for x in row] for row in rows]
    RECORDED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    record()
