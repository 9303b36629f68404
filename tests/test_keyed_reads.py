"""Facts that decide comparisons travel as records: nobody reads them by a text key, and few signatures say `Any`."""

import ast
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("keyed_reads", ROOT / "tools" / "keyed_reads.py")
measure = importlib.util.module_from_spec(SPEC)
sys.modules["keyed_reads"] = measure
SPEC.loader.exec_module(measure)


def test_no_record_is_read_by_a_text_key():
    assert measure.all_keyed_reads() == []


def test_few_signatures_say_any():
    rate, where = measure.any_rate()
    assert rate <= 6, where.most_common(20)


def test_templates_read_records_by_attribute():
    for path in (ROOT / "evalharness" / "report").glob("*.j2"):
        assert ".get(" not in path.read_text(encoding="utf-8"), path.name


def test_every_exception_names_what_is_there():
    names = [name for name, _, _ in measure.modules()]
    for path in (*measure.READERS, *measure.OPEN):
        assert any(name.startswith(path) for name in names), path


def test_the_measure_sees_what_it_should():
    text = """
run.manifest["model"]["name"]
side.manifest.get("usage", {}).get(name)
(manifest.get("model") or {}).get("fingerprint")
for task in document["tasks"]: task[f"{x}_answer"]
entry.counts["correct"]
found["x"]
manifest["a"] = 1
"""
    seen = [expression for _, expression in measure.keyed_reads(ast.parse(text))]
    assert len(seen) == 7 and not any("counts" in one or "found" in one for one in seen)
    signed = "def f(a: dict[str, Any], *b: Any) -> Any:\n    c: Any = 1"
    assert measure.anys(ast.parse(signed)) == 3
