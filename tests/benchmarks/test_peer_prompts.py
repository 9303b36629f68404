"""Prompts and choices equal those of lm-evaluation-harness, rendered by itself; set EVALH_PEER_PYTHON to its Python."""

import json
import os
import subprocess

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want

SUPERGLUE = ("boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc")
TASKS = {
    "glue/cola": "glue/cola/default", "glue/sst2": "glue/sst2/default", "glue/mrpc": "glue/mrpc/default",
    "glue/qqp": "glue/qqp/default", "glue/mnli": "glue/mnli/default", "glue/mnli_mismatched": "glue/mnli/default",
    "glue/qnli": "glue/qnli/default", "glue/rte": "glue/rte/default", "glue/wnli": "glue/wnli/default",
    **{f"superglue/{task}": f"super_glue/{task}/default" for task in SUPERGLUE},
    "triviaqa": "triviaqa/default", "nq_open": "nq_open/nq_open",
}  # fmt: skip

PEER = """
import ast, importlib.util, json, os, sys, types
for name in ("transformers.data.metrics", "transformers.data.metrics.squad_metrics"):  # gone from newer versions
    sys.modules[name] = types.ModuleType(name)
import lm_eval, yaml
from lm_eval.utils import apply_template

class Loader(yaml.SafeLoader): pass

def function(folder):
    def load(loader, node):
        module, name = node.value.rsplit(".", 1)
        spec = importlib.util.spec_from_file_location(module, os.path.join(folder, module + ".py"))
        found = importlib.util.module_from_spec(spec); spec.loader.exec_module(found)
        return getattr(found, name)
    return load

told = json.load(sys.stdin); said = []
for path, row in told:
    file = os.path.join(os.path.dirname(lm_eval.__file__), "tasks", path + ".yaml")
    Loader.add_constructor("!function", function(os.path.dirname(file)))
    task = yaml.load(open(file), Loader)
    made = lambda part: part(row) if callable(part) else part if isinstance(part, list) else apply_template(part, row)
    choices = made(task["doc_to_choice"]) if "doc_to_choice" in task else []
    choices = ast.literal_eval(choices) if isinstance(choices, str) else choices
    said.append([task.get("description", "") + made(task["doc_to_text"]), [" " + c for c in choices]])
json.dump(said, sys.stdout)
"""


@pytest.mark.slow
def test_prompts_are_the_peers_byte_for_byte():
    python = os.environ.get("EVALH_PEER_PYTHON")
    if not python:
        pytest.skip("EVALH_PEER_PYTHON does not name a Python with lm-evaluation-harness")
    asked, ours = [], []
    for name, path in TASKS.items():
        benchmark = plugins.load_benchmark(name)
        rows = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), "sample").rows
        for row, sample in zip(rows, sources.build_samples(rows, benchmark.sample), strict=True):
            made = request(benchmark, sample, (), mode=benchmark.modes[0], chat=False)
            asked.append([path, dict(row)])
            ours.append([made.text, list(made.choices)])
    peer = subprocess.run([python, "-c", PEER], input=json.dumps(asked), capture_output=True, text=True)
    assert peer.returncode == 0, peer.stderr[-2000:]
    assert json.loads(peer.stdout) == ours and len(ours) > 70
