"""The peer's side of `lm_eval_parity.py groups`, run by the interpreter of its own environment: every group's tasks as
lm-evaluation-harness builds them, and its figures of made-up ones. No task is built and no data set read.

    python perf/_lm_eval_peer_groups.py FOLDER OUT
"""

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
import _lm_eval_sham as sham
from lm_eval.api import task as task_module
from lm_eval.api.group import Group
from lm_eval.tasks import TaskManager, _factory

logging.disable()


class Unbuilt:
    """A task of which only the settings are kept."""

    def __init__(self, config=None):
        self.config, self.task_name = SimpleNamespace(**config), config["task"]
        self.settings = config


def _figures(task: Unbuilt) -> dict:
    """Made-up figures of every metric and filter that the task names."""
    metrics = [one["metric"] for one in task.settings.get("metric_list") or [] if isinstance(one.get("metric"), str)]
    filters = [one.get("name", "none") for one in task.settings.get("filter_list") or []] or ["none"]
    made = {f"{m},{f}": sham.number(task.task_name, m, f) for m in metrics for f in filters}
    return {"sample_len": sham.size(task.task_name), **made}


def _members(group: Group) -> list:
    return [[one.name, _members(one)] if isinstance(one, Group) else one.task_name for one in group]


def main() -> None:
    task_module.Task = _factory.ConfigurableTask = Unbuilt
    manager, found = TaskManager(include_path=sys.argv[1] or None), {}
    for name in manager.all_groups:
        try:
            loaded = manager.load([name])
            tasks = loaded["tasks"]
            figures = {task: _figures(one) for task, one in tasks.items()}
            made = {group.name: group.aggregate(figures) for group in loaded["groups"].values()}
            settings = {task: one.settings for task, one in tasks.items()}
            found[name] = {"members": _members(loaded["groups"][name]), "settings": settings, "figures": made}
        except (Exception, SystemExit) as error:  # what the peer cannot load is counted apart
            found[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
    Path(sys.argv[2]).write_text(json.dumps(found, default=lambda value: getattr(value, "__name__", str(value))))


main()
