"""docs/write-a-benchmark.md works as it stands: its files make a package that builds, installs and runs."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "write-a-benchmark.md"


def files() -> dict[str, str]:
    """`NAME`: and the fenced text that follows it."""
    found = re.findall(
        r"^`([\w./]+)`:\n\n```\w*\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return dict(found)


def write(folder: Path) -> None:
    for name, text in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def run(*arguments, path: Path, cwd: Path):
    environment = {**os.environ, "PYTHONPATH": str(path), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "evalharness", *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_the_page_has_the_files_it_speaks_of():
    assert set(files()) == {
        "pyproject.toml", "acme_evals/__init__.py", "acme_evals/road_signs.py", "acme_evals/road_signs.jsonl",
    }  # fmt: skip


def test_the_page_is_short_code():
    assert len(files()["acme_evals/road_signs.py"].splitlines()) <= 25


@pytest.mark.slow
def test_the_example_builds_installs_and_runs(tmp_path):
    """Built to a wheel and installed into a folder of its own, which the child process alone looks into."""
    source, site = tmp_path / "source", tmp_path / "site"
    write(source)
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert "acme_evals/road_signs.jsonl" in zipfile.ZipFile(wheel).namelist()
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel],
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stderr

    listed = run("list", "benchmarks", path=site, cwd=tmp_path)
    assert "road_signs" in listed.stdout
    for mode in ("rank", "write"):
        said = run(
            "run", "road_signs", "--data", "sample", "--model", "echo", "--mode", mode, "--shots", "1", "--json",
            path=site, cwd=tmp_path,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        entry = json.loads(said.stdout)["benchmarks"]["road_signs"]
        assert entry["n"] == 4 and set(entry["metrics"]) == {"accuracy", "accuracy_macro"}
    assert json.loads(said.stdout)["benchmarks"]["road_signs"]["groups"].keys() == {"at", "uk"}


@pytest.mark.skipif(shutil.which("evalh", path=sysconfig.get_path("scripts")) is None, reason="evalh is not installed")
def test_without_it_the_name_is_unknown(tmp_path):
    said = run("run", "road_signs", "--data", "sample", path=tmp_path, cwd=tmp_path)
    assert said.returncode == 2 and "there is no benchmark called 'road_signs'" in said.stderr


def test_the_table_of_benchmarks_is_fresh():
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / "benchmark_table.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert checked.returncode == 0, checked.stderr
