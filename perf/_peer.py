"""The peer's side, run by the interpreter of its own environment: lm-evaluation-harness 0.4.13 as its users set it up.

rank  MODEL DATA SUBJECT SHOTS BATCH OUT    log-probabilities of MMLU options, and the seconds spent in scoring them
write MODEL PROMPTS BATCH TOKENS OUT        greedy answers
start MODEL                                 open the model and answer nothing
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from lm_eval.models.huggingface import HFLM

TASK = """task: ours_{subject}
dataset_path: csv
dataset_kwargs: {{data_files: {{dev: {dev}, test: {test}}}, column_names: [question, a, b, c, d, ans], header: null}}
test_split: test
fewshot_split: dev
fewshot_config: {{sampler: first_n}}
num_fewshot: {shots}
output_type: multiple_choice
description: "The following are multiple choice questions (with answers) about {words}.\\n\\n"
doc_to_text: "{{{{question.strip()}}}}\\nA. {{{{a}}}}\\nB. {{{{b}}}}\\nC. {{{{c}}}}\\nD. {{{{d}}}}\\nAnswer:"
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: "{{{{['A','B','C','D'].index(ans)}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


def opened(model: str, batch: str) -> HFLM:
    torch.set_num_threads(int(__import__("os").environ["OMP_NUM_THREADS"]))
    return HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=int(batch))


def rank(model: str, data: str, subject: str, shots: str, batch: str, out: str) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    folder = Path(out).parent / "task"
    folder.mkdir(exist_ok=True)
    files = {split: str(Path(data) / split / f"{subject}_{split}.csv") for split in ("dev", "test")}
    text = TASK.format(subject=subject, words=subject.replace("_", " "), shots=shots, **files)
    (folder / f"{subject}.yaml").write_text(text)
    lm = opened(model, batch)
    spent = []
    plain = lm.loglikelihood

    def timed(requests, **more):
        start, cpu = time.perf_counter(), time.process_time()
        found = plain(requests, **more)
        spent.append((time.perf_counter() - start, time.process_time() - cpu))
        return found

    lm.loglikelihood = timed
    tasks = TaskManager(include_path=str(folder), include_defaults=False)
    result = simple_evaluate(
        model=lm, tasks=[f"ours_{subject}"], task_manager=tasks, log_samples=True, bootstrap_iters=0
    )
    samples = sorted(result["samples"][f"ours_{subject}"], key=lambda s: s["doc_id"])
    scores = [[float(r[0][0]) for r in sample["resps"]] for sample in samples]
    prompts = [sample["arguments"][0][0] for sample in samples]
    Path(out).write_text(
        json.dumps({"logprobs": scores, "prompts": prompts, "scoring_wall": spent[0][0], "scoring_cpu": spent[0][1]})
    )


def write(model: str, prompts: str, batch: str, tokens: str, out: str) -> None:
    from lm_eval.api.instance import Instance

    lm = opened(model, batch)
    texts = json.loads(Path(prompts).read_text())
    settings = {"until": ["Question:", "</s>", "<|im_end|>"], "max_gen_toks": int(tokens), "do_sample": False}
    start, cpu = time.perf_counter(), time.process_time()
    asked = [Instance("generate_until", {}, (text, settings), i) for i, text in enumerate(texts)]
    answers = lm.generate_until(asked, disable_tqdm=True)
    spent = time.perf_counter() - start, time.process_time() - cpu
    Path(out).write_text(json.dumps({"answers": answers, "wall": spent[0], "cpu": spent[1]}))


def start(model: str) -> None:
    from lm_eval.tasks import TaskManager

    opened(model, "1")
    TaskManager()


if __name__ == "__main__":
    {"rank": rank, "write": write, "start": start}[sys.argv[1]](*sys.argv[2:])
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
