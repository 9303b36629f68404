"""Which fence is chosen where the kernel refuses one, and what is said where it refuses all; the containers' road."""

import json
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.sandbox import outer, seccomp, syscalls, tiers
from evalharness.sandbox.program import Limits, Program
from evalharness.sandbox.tiers import open_sandbox
from evalharness.sandbox.worker import WorkerLost

# A process under a filter that answers some system calls with an error, as a container engine or an old kernel does.
UNDER_FILTER = """
import ctypes, errno, json, struct, sys
from evalharness.sandbox import kernel
from evalharness.sandbox.tiers import open_sandbox
from evalharness.sandbox.program import Program
from evalharness.errors import UserError
rules = json.loads(sys.argv[1])
code = [(0x20, 0, 0, 0)]
for number, argument, error in rules:
    if argument is None:
        code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | error)]
    else:
        code += [(0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, argument), (0x06, 0, 0, 0x50000 | error)]
        code += [(0x20, 0, 0, 0)]
code += [(0x06, 0, 0, 0x7FFF0000)]
raw = b"".join(struct.pack("=HBBI", *c) for c in code)
buffer = ctypes.create_string_buffer(raw, len(raw))
kernel.prctl(38, 1)
kernel.prctl(22, 2, ctypes.c_char_p(struct.pack("=HxxxxxxQ", len(code), ctypes.addressof(buffer))))
try:
    with open_sandbox(sys.argv[2], workers=1) as sandbox:
        outcome = sandbox.run(Program(source="def f(x):\\n    return x", test="assert f(1) == 1", entry="f"))
        print(json.dumps([sandbox.tier, outcome.verdict]))
except UserError as error:
    print(json.dumps(["refused", str(error)]))
"""
EPERM, ENOSYS, EINVAL = 1, 38, 22
NO_NAMESPACES = [(272, None, EPERM), (165, None, EPERM), (308, None, EPERM)]
NO_LANDLOCK = [(444, None, ENOSYS), (445, None, ENOSYS), (446, None, ENOSYS)]
NO_SECCOMP = [(157, 21, EINVAL), (157, 22, EINVAL), (317, None, ENOSYS)]

x86_64 = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="the numbers above are x86_64's"
)


def under(rules, wanted="auto"):
    command = [sys.executable, "-c", UNDER_FILTER, json.dumps(rules), wanted]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@x86_64
def test_where_namespaces_are_refused_landlock_is_taken():
    assert under(NO_NAMESPACES) == ["landlock", "pass"]


@x86_64
def test_where_landlock_is_missing_namespaces_are_taken():
    assert under(NO_LANDLOCK) == ["namespace", "pass"]


@x86_64
@pytest.mark.parametrize("rules", [NO_SECCOMP, NO_NAMESPACES + NO_LANDLOCK], ids=["no seccomp", "neither"])
def test_where_nothing_holds_it_is_refused_with_the_remedy(rules):
    tier, said = under(rules)
    assert tier == "refused" and "no sandbox holds here" in said and "sandbox=docker" in said and "\n" not in said
    assert ("seccomp" in said) == (rules is NO_SECCOMP) or rules is not NO_SECCOMP


@x86_64
def test_a_tier_that_was_asked_for_is_never_replaced():
    assert under(NO_NAMESPACES, "namespace")[0] == "refused"


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_the_record_says_what_was_found(tier):
    with open_sandbox(tier, workers=1) as sandbox:
        record = json.loads(json.dumps(sandbox.record))
    assert (
        record["tier"] == tier
        and record["waiting_not_counted"] is True
        and set(record["self_test"].values()) == {"held"}
    )
    assert record["limits"]["seconds"] == 3.0 and record["machine"] == os.uname().machine and record["kernel"]


def test_none_wants_a_second_word():
    with pytest.raises(UserError, match="yes_run_untrusted_code=True"):
        open_sandbox("none")
    with open_sandbox("none", consent=True, workers=1) as sandbox:
        assert sandbox.record["tier"] == "none"


def test_an_unknown_name_is_one_line():
    with pytest.raises(UserError, match="wanted one of auto, namespace"):
        open_sandbox("jail")


def test_an_engine_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="podman cannot be started"):
        open_sandbox("podman", workers=1)


def test_programs_reach_a_container_and_outcomes_come_back(tmp_path, monkeypatch):
    # An engine that only unpacks its command line: the relay, its protocol and the tier inside are the real ones.
    engine = tmp_path / "docker"
    package = Path(outer.__file__).parents[2]
    engine.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/said\nwhile [ "$1" != python3 ]; do shift; done\nshift 6\n'
        f'exec {sys.executable} -P -s -S -B {package}/evalharness/sandbox/relay.py "$1"\n'
    )
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with open_sandbox("docker", workers=1) as sandbox:
        wrong = sandbox.run(Program(source="def f(x):\n    return x", test="assert f(1) == 2", entry="f"))
        assert wrong.verdict == "fail" and wrong.last_call == "f(1) == 1" and sandbox.record["container"] == "docker"
    said = (tmp_path / "said").read_text()
    for wall in ("--network none", "--cap-drop ALL", "no-new-privileges", "--read-only", "--pids-limit", "--memory"):
        assert wall in said


PROGRAM = Program(source="def f(x):\n    return x", test="assert f(1) == 1", entry="f", limits=Limits(wall=0.05))
HANGING = {
    "says nothing": ("sleep 60", PROGRAM, "the container said nothing for"),
    "says half a line": ("printf '{'; sleep 60", PROGRAM, "the container said nothing for"),
    "reads nothing": ("sleep 60", replace(PROGRAM, source="#" * 300_000), "the container said nothing for"),
    "ends": ("exit 1", PROGRAM, "the container is gone"),
    "says without end": ("exec cat /dev/zero", PROGRAM, "the container is gone: its answer has no end"),
    "nests too deep": ("head -c 99999 /dev/zero | tr '\\0' '['; echo; exec cat", PROGRAM, "the container is gone"),
    "says nonsense": ("echo nonsense; exec cat", PROGRAM, "the container is gone"),
    "says a list": ("echo '[1]'; exec cat", PROGRAM, "the container is gone"),
    "says other fields": ("""echo '{"a": 1}'; exec cat""", PROGRAM, "the container is gone"),
    "says no text": (r"printf '\\377\\n'; exec cat", PROGRAM, "the container is gone"),
}


@pytest.mark.parametrize("kind", HANGING)
def test_a_container_that_hangs_or_talks_nonsense_is_given_up(tmp_path, monkeypatch, kind):
    does, program, said = HANGING[kind]
    engine = tmp_path / "docker"
    engine.write_text(f"#!/bin/sh\n{does}\n")
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(outer, "WORKER_PATIENCE", 0.1)
    monkeypatch.setattr(outer, "STARTS", 0.1 if "nothing for" in said else 30.0)
    monkeypatch.setattr(outer, "_LONGEST", 1 << 17)
    began = time.monotonic()
    container = outer.Container("docker")
    try:
        with pytest.raises(WorkerLost, match=said):
            container.run(program, "split")
    finally:
        container.process.kill()
        container.close()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_built_for_both_machines(machine):
    for metadata in (True, False):
        assert 0 < len(seccomp.program(machine, metadata=metadata, recvmsg=True)) // 8 < 700


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_table_is_the_kernels(machine, header):
    if not Path(header).is_file():
        pytest.skip(f"there is no {header}")
    lines = [line.split() for line in Path(header).read_text().splitlines() if line.startswith("#define __NR")]
    known = {}
    for words in lines:
        name = words[1].removeprefix("__NR_").removeprefix("__NR3264_")
        if len(words) > 2 and words[2].isdigit():
            known[name] = int(words[2])
    tables = [syscalls.ALLOWED, syscalls.METADATA, syscalls.CHECKED, syscalls.RECVMSG]
    tables += [syscalls.ALLOWED_X86_64, syscalls.METADATA_X86_64] if machine == "x86_64" else []
    ours = {name: number for table in tables for name, number in syscalls.numbers(table, machine).items()}
    renamed = {"newfstatat": "fstatat", "fadvise64": "fadvise64"}
    wrong = {n: k for n, k in ours.items() if known.get(n, known.get(renamed.get(n, ""), k)) != k}
    assert not wrong and len(set(ours.values())) == len(ours)


def test_the_remedy_names_what_this_machine_refuses(monkeypatch):
    monkeypatch.setattr(tiers, "_says", lambda path, value: True)
    said = tiers.remedy()
    assert "apparmor_restrict_unprivileged_userns=0" in said and "max_user_namespaces" in said and "\n" not in said
