"""Plug-ins of others: what their files' names say, and what is said when one is broken."""

import sys

import pytest

from evalharness import plugins
from evalharness.errors import UserError
from evalharness.runs import inventory

ONE = """
from evalharness.benchmark import Benchmark
from evalharness.records import Sample

benchmark = Benchmark(title="T", paper="", licence="", items=1, sample=lambda row: Sample(question=row["q"]))
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """Writes a module that is found as a plug-in under its own name."""
    monkeypatch.syspath_prepend(tmp_path)
    known: dict[str, str] = {}
    monkeypatch.setattr(plugins, "modules", lambda kind: known)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        known[name] = name

    return write


def test_the_file_says_name_and_sample_and_the_prompt_says_the_modes(acme, tmp_path):
    acme("acme_one", ONE)
    found = plugins.load_benchmark("acme_one")
    assert (found.name, found.source.sample, found.modes) == ("acme_one", tmp_path / "acme_one.jsonl", ("write",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "the plug-in acme_two defines no benchmark: wanted `benchmark` or `family`"),
        (
            "from evalharness.data.sources import Source\nSource(revision='a')",
            "the plug-in acme_two cannot be imported: TypeError",
        ),
    ],
)
def test_a_broken_plug_in_is_one_line_and_does_not_hide_the_others(acme, caplog, text, said):
    acme("acme_one", ONE)
    acme("acme_two", text)
    with pytest.raises(UserError, match=said):
        plugins.load_benchmark("acme_two")
    assert [row["name"] for row in inventory.benchmarks()] == ["acme_one"]
    assert said in caplog.text
