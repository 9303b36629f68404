"""`lm_eval_parity.py groups`: every group, its tasks, what it says over their files, its figures; here and there."""

from __future__ import annotations

import json
import subprocess
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _lm_eval_sham as sham

from evalharness.data.yaml_lines import Function
from evalharness.errors import UserError
from evalharness.file_benchmarks.lm_eval.catalog import TaskCatalog, open_catalog
from evalharness.file_benchmarks.lm_eval.config import TaskConfig
from evalharness.file_benchmarks.lm_eval.filters import pipeline_names
from evalharness.file_benchmarks.lm_eval.groups import group_figures
from evalharness.file_benchmarks.lm_eval.measures import our_metric_name
from evalharness.file_benchmarks.lm_eval.members import GroupMembers, GroupTask
from evalharness.records import Estimate

_UNSAID = {"metadata", "task", "tag", "group", "include", "task_list", "task_alias"}


def groups(said: Namespace) -> None:
    """Prints how many groups are equal, and what differs in the others."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        peer = [
            str(said.venv / "bin/python"),
            str(Path(__file__).with_name("_lm_eval_peer_groups.py")),
            said.include_path,
        ]
        subprocess.run([*peer, str(out)], check=True, timeout=3000)
        theirs = json.loads(out.read_text())
    catalog, differs, refused = open_catalog(), {}, {}
    for name, there in theirs.items():
        if "error" in there:
            refused[name] = there["error"]
            continue
        try:
            found = _differences(catalog, name, there)
        except UserError as error:
            found = {"error": str(error)}
        if found:
            differs[name] = found
    print(f"{len(refused)} groups do not load there: {json.dumps(refused)[:600]}")
    equal = len(theirs) - len(refused) - len(differs)
    print(f"{equal} of {len(theirs) - len(refused)} groups have equal members, settings and figures")
    for name, found in differs.items():
        print(f"  {name}: {json.dumps(found)[:300]}")


def _differences(catalog: TaskCatalog, name: str, there: Mapping[str, Any]) -> dict[str, Any]:
    group = catalog.group(name)
    found: dict[str, Any] = {}
    if (here := _members(group)) != there["members"]:
        found["members"] = {"here": str(here)[:120], "there": str(there["members"])[:120]}
    tasks = group.run_tasks()
    for task, settings in there["settings"].items():
        mine = dict(tasks[task].document().value) if task in tasks else {}
        keys = (set(mine) | set(settings)) - _UNSAID
        odd = [k for k in sorted(keys) if _plain(mine.get(k)) != _plain(settings.get(k)) and not _has_code(mine.get(k))]
        if odd:
            found.setdefault("settings", {})[task] = {
                k: [str(mine.get(k))[:40], str(settings.get(k))[:40]] for k in odd
            }
    made = group_figures(catalog, {one.name(name): _made_up(one) for one in tasks.values()})
    for one, figures in there["figures"].items():
        for key, value in figures.items():
            if "," in key and "stderr" not in key and not _equal(made, one, name, key, value):
                found.setdefault("figures", {})[f"{one} {key}"] = value
    return found


def _equal(made: Mapping[str, Estimate], group: str, root: str, key: str, value: float) -> bool:
    """Whether a figure of theirs is among ours."""
    metric, _, filter_name = key.partition(",")
    names = {
        our_metric_name(metric, kind, own) for kind in ("generate_until", "multiple_choice") for own in (True, False)
    }
    for called in (group, f"{root}/{group}"):
        for label in (label for one in names for label in (one, f"{one},{filter_name}")):
            if (here := made.get(f"{called} {label}")) is not None and abs(here.value - value) < 1e-9:
                return True
    return False


def _made_up(task: GroupTask) -> dict[str, Estimate]:
    """The figures that the peer's side makes up too, by our names."""
    config, found = TaskConfig(task.document()), {}
    for entry in config.get("metric_list", []):
        if isinstance(metric := entry.get("metric"), Function):
            continue
        by_code = config.function("process_results") is not None
        label = our_metric_name(metric, config.kind, by_code)
        for i, name in enumerate(pipeline_names(config)):
            value = sham.number(task.task, metric, name)
            found[label + (f",{name}" if i else "")] = Estimate(
                value=value, stderr=0.1, low=0.0, high=1.0, n=sham.size(task.task)
            )
    return found


def _members(group: GroupMembers) -> list[Any]:
    return [[one.name, _members(one)] if isinstance(one, GroupMembers) else one.task for one in group.members.values()]


def _has_code(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_code, value.values()))
    return isinstance(value, Function) or (isinstance(value, list) and any(map(_has_code, value)))


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
