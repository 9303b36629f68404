"""Every attack fails, in both Linux tiers, as root and as a user; after each the next program is judged right."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("attack_corpus", HERE / "corpus.py")
corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(corpus)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tiers are Linux's")
tiers = pytest.mark.parametrize("tier", ["namespace", "landlock"])


def test_the_corpus_is_large_and_covers_every_family():
    found = list(corpus.attacks())
    assert len(found) >= 250 and {one.name[:2] for one in found} == {f"{i:02d}" for i in range(1, 38)}
    assert sum(one.expected == ["pass"] for one in found) >= 60


# From 34 on they aim at the verdict, which judge and harness give, whatever the fence is.
VERDICTS = "^3[4-7]"


def test_no_family_of_attacks_holds():
    first = {name[:2]: name for name in sorted((one.name for one in corpus.attacks()), reverse=True)}
    assert corpus.run("namespace", f"^(?:{'|'.join(first.values())})$") == []


@pytest.mark.slow
def test_no_attack_holds():
    assert corpus.run("namespace") == []


@pytest.mark.slow  # the same attacks as above, against the other fence
def test_no_attack_on_the_fence_holds_by_landlock():
    assert corpus.run("landlock", f"(?!{VERDICTS})^") == []


@pytest.mark.slow
def test_no_attack_on_the_verdict_holds_by_landlock():
    assert corpus.run("landlock", VERDICTS) == []


@pytest.mark.slow
@tiers
def test_no_attack_holds_as_an_ordinary_user(tier):
    if os.getuid() != 0:
        pytest.skip("this is an ordinary user already: the test above was it")
    command = [sys.executable, str(HERE / "as_user.py"), str(HERE / "corpus.py"), tier]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "all held", "")
