"""The peer's side of `lm_eval_parity.py`, run by the interpreter of its own environment: lm-evaluation-harness as its
users call it, with rows in place of data sets and a model of no sense.

    python perf/_lm_eval_peer.py JOBS OUT [MODEL]

EVALH_PEER_METRICS may name the folder `metrics` of https://github.com/huggingface/evaluate, for tasks that load one of
them by its name.
"""

import json
import logging
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import _lm_eval_sham as sham
import datasets
import evaluate
from lm_eval import evaluator
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

logging.disable()
warnings.simplefilter("ignore")
METRICS, loaded = os.environ.get("EVALH_PEER_METRICS", ""), evaluate.load
_rows: dict[str, list] = {}
_pool: list[str] = []


class Sham(LM):
    """Answers by the texts alone."""

    def loglikelihood(self, requests):
        return [sham.ranked(*request.args[:2]) for request in requests]

    def loglikelihood_rolling(self, requests):
        return [sham.rolled(request.args[0]) for request in requests]

    def generate_until(self, requests):
        found = []
        for request in requests:
            until = request.args[1].get("until") or []
            found.append(sham.written(request.args[0], _pool, [until] if isinstance(until, str) else until))
        return found


def load_dataset(*args, **kwargs):
    return datasets.DatasetDict({split: datasets.Dataset.from_list(rows) for split, rows in _rows.items()})


def load_metric(name: str, *args, **kwargs):
    return loaded(str(Path(METRICS, name)) if Path(METRICS, name).is_dir() else name, *args, **kwargs)


def opened(folder: str) -> LM:
    from lm_eval.models.huggingface import HFLM

    class Brief(HFLM):
        """Writes at most so many tokens."""

        def generate_until(self, requests, **kwargs):
            return super().generate_until([brief(request) for request in requests], **kwargs)

    def brief(request):
        context, said = request.args
        lengths = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
        longest = next((said[name] for name in lengths if said.get(name) is not None), sham.TOKENS)
        kept = {name: value for name, value in said.items() if name not in lengths}
        return replace(request, arguments=(context, {**kept, "max_gen_toks": min(longest, sham.TOKENS)}))

    return Brief(pretrained=folder, dtype="float32", device="cpu", batch_size=1)


def one(manager: TaskManager, job: dict, model: LM) -> dict:
    _rows.clear()
    _rows.update(job["rows"])
    _pool[:] = job["pool"]
    loaded = manager.load([job["task"]])
    task = loaded["tasks"][job["task"]]
    task.set_fewshot_seed(1234)
    found = evaluator.evaluate(model, loaded, limit=job["limit"], bootstrap_iters=0, confirm_run_unsafe_code=True)
    asked: dict[int, list] = {}
    answers: dict[int, list] = {}
    for instance in task.instances:
        asked.setdefault(instance.doc_id, []).append(list(instance.args))
        answers.setdefault(instance.doc_id, []).append(instance.resps[0])
    figures = {k: v for k, v in found["results"][job["task"]].items() if "," in k and "_stderr" not in k}
    scores: dict[int, dict] = {}
    for sample in found["samples"][job["task"]]:
        named = {f"{name},{sample['filter']}": sample[name] for name in sample["metrics"]}
        scores.setdefault(sample["doc_id"], {}).update(named)
    return {"asked": asked, "answers": answers, "figures": figures, "scores": scores}


def main() -> None:
    jobs, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    datasets.load_dataset = load_dataset
    if METRICS:
        evaluate.load = load_metric
    datasets.disable_progress_bars()
    manager, found = TaskManager(), {}
    model = opened(sys.argv[3]) if len(sys.argv) > 3 else Sham()
    for job in jobs:
        try:
            found[job["task"]] = one(manager, job, model)
        except Exception as error:  # what the peer cannot do is counted apart
            found[job["task"]] = {"error": f"{type(error).__name__}: {error}"[:300]}
    out.write_text(json.dumps(found, default=lambda value: value.item() if hasattr(value, "item") else str(value)))


main()
