"""What is in the tree is in the wheel."""

import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def folders() -> dict[str, Path]:
    """Dotted name -> folder of every package in the tree."""
    tops = {"evalharness": "evalharness", "benchmarks": "evalharness.benchmarks", "judges": "evalharness.judges"}
    found = {}
    for top, dotted in tops.items():
        for path in (ROOT / top).rglob("*.py"):
            inner = path.parent.relative_to(ROOT / top).parts
            found[".".join((dotted, *inner))] = path.parent
    return found


def test_every_package_is_listed():
    assert set(SETTINGS["tool"]["setuptools"]["packages"]) == set(folders())


def test_every_data_file_is_taken_along():
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]["*"]
    left = [
        str(path.relative_to(ROOT))
        for folder in folders().values()
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in (".py", ".pyc") and not any(fnmatch(path.name, p) for p in patterns)
    ]
    assert not left, left


def test_the_wheel_and_its_constraints_name_one_torch():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert "torch==2.13.0" in pins


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_is_small(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"{dotted.replace('.', '/')}/{path.name}"
        for dotted, folder in folders().items()
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".pyc"
    }
    assert wanted <= held, wanted - held
    assert not [name for name in held if name.split("/")[0] in ("tests", "benchmarks", "judges", "perf", "tools")]
    assert wheel.stat().st_size <= 8 * 2**20


def test_one_version():
    """What `evalh --version` prints is what the package is published as, and the changelog has a place for it."""
    import evalharness

    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert evalharness.__version__ == said
    assert f"## {said}" in (ROOT / "CHANGELOG.md").read_text()
