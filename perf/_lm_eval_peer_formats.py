"""The peer's side of `lm_eval_formats.py`: what lm_eval 0.5 asks with each format, and how it scores some answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lm_eval.tasks import TaskManager  # type: ignore[import-not-found]

folder, asked, out = sys.argv[1:]
manager = TaskManager(include_path=folder, include_defaults=False)
found: dict[str, Any] = {}
for name, (shots, texts) in json.loads(asked).items():
    try:
        task = manager._load_spec(name)
        task.set_fewshot_seed(1234)
        if shots:
            task.set_num_fewshot(shots)
        task.build_all_requests()
        requests: dict[int, list[Any]] = {}
        for one in task.instances:
            requests.setdefault(one.doc_id, []).append([list(map(str, one.arguments)), str(one.target)])
        scores = []
        if task.OUTPUT_TYPE == "generate_until":
            scorer = task.scorers[0]
            for text in texts:
                for one in task.instances:
                    one.resps = [text]
                scorer.apply_filter(task.instances)
                scored = [scorer.score_doc(one.doc_id, [one]) for one in task.instances]
                scores.append([float(next(iter(doc.scores.values()))[0]) for doc in scored])
        found[name] = {"requests": list(requests.values()), "scores": scores, "until": task.config.generation_kwargs}
    except Exception as error:
        found[name] = {"error": f"{type(error).__name__}: {error}"}
Path(out).write_text(json.dumps(found, default=str), encoding="utf-8")
