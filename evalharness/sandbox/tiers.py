"""Which fence is used: the best one that withstands its own attack, or none with the remedy to type."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from evalharness.errors import UserError, option_name
from evalharness.sandbox import selftest
from evalharness.sandbox.outer import ENGINES, ContainerSandbox
from evalharness.sandbox.packages import find_packages
from evalharness.sandbox.pool import Sandbox
from evalharness.sandbox.program import Limits, Tier
from evalharness.sandbox.seccomp import ARCH

CHOICES = ("auto", "namespace", "landlock", "seatbelt", *ENGINES, "none")


def open_sandbox(
    wanted: str = "auto",
    *,
    consent: bool = False,
    workers: int = 0,
    packages: Sequence[str] = (),
    folders: Mapping[str, str] = MappingProxyType({}),
    preload: Sequence[str] = (),
) -> Sandbox:
    """The sandbox that `--sandbox` names, after its self-test; what was found stands in its `record`.

    `packages` are those of `--sandbox-packages`; `folders` stand beside them under their names, read-only; `preload`
    names the modules that every process there has imported already, once the self-test is over.

    Raises UserError, with what to do, where it does not hold; nothing weaker is taken instead.
    """
    engine = wanted.partition(":")[0]
    if engine not in CHOICES:
        raise UserError(f"{option_name('sandbox', wanted)}: wanted one of {', '.join(CHOICES)}")
    if wanted == "none":
        if not consent:
            raise UserError(
                f"{option_name('sandbox', 'none')} runs programs that a model wrote with all your rights; "
                f"if that is meant, say {option_name('yes_run_untrusted_code', True)} as well"
            )
        return _recorded(Sandbox("none", workers, find_packages(packages)), {})
    if engine in ENGINES:
        if packages or folders:
            raise UserError(
                f"{option_name('sandbox_packages')}: a container has its image's packages; say "
                f"{option_name('sandbox', engine)}:IMAGE"
            )
        return _tested(ContainerSandbox(wanted, workers), wanted)
    failures, found = [], find_packages(packages)
    shown = replace(found, entries={**found.entries, **folders})
    for tier in _candidates() if wanted == "auto" else (cast(Tier, wanted),):
        sandbox = Sandbox(tier, workers, shown)
        try:
            tested = _tested(sandbox, tier)
        except UserError as error:
            failures.append(str(error))
        else:
            tested.preloading(tuple(preload))
            return tested
    reasons = "; ".join(failures) or f"there is none for {platform.system()} on {platform.machine()}"
    raise UserError(f"no sandbox holds here: {reasons}. {remedy()}")


def sandbox_like(
    tested: Sandbox, *, packages: Sequence[str], folders: Mapping[str, str], preload: Sequence[str]
) -> Sandbox:
    """A sandbox within the fence that another one of this process withstood its attack with: only what programs may
    read is another. `packages`, `folders` and `preload` as for `open_sandbox`."""
    found = find_packages(packages)
    made = Sandbox(tested.tier, tested.workers, replace(found, entries={**found.entries, **folders}))
    made.preloading(tuple(preload))
    made.record.update({**tested.record, **made.record})
    return made


def _candidates() -> tuple[Tier, ...]:
    if sys.platform == "linux":
        return ("namespace", "landlock") if os.uname().machine in ARCH else ()
    return ("seatbelt",) if sys.platform == "darwin" else ()


def _tested(sandbox: Sandbox, name: str) -> Sandbox:
    try:
        table = selftest.attack(sandbox)
    except BaseException:
        sandbox.close()
        raise
    broken = [f"{what}: {happened}" for what, happened in table.items() if happened]
    if broken:
        sandbox.close()
        raise UserError(f"{name}: its self-test failed ({'; '.join(broken[:3])})")
    return _recorded(sandbox, table)


def _recorded(sandbox: Sandbox, table: dict[str, str]) -> Sandbox:
    limits = Limits()
    sandbox.record.update(
        self_test={what: happened or "held" for what, happened in table.items()}, kernel=platform.release(),
        machine=platform.machine(), python=platform.python_version(), workers=sandbox.workers,
        limits={name: getattr(limits, name) for name in limits.__slots__},
    )  # fmt: skip
    return sandbox


def remedy() -> str:
    """What to type on this machine, one line."""
    if sys.platform == "darwin":
        return f"Use {option_name('sandbox', 'docker')}"
    if sys.platform != "linux":
        return f"Run it in WSL or with {option_name('sandbox', 'docker')}"
    if os.uname().machine not in ARCH:
        return f"The system-call table is known for {' and '.join(ARCH)} only: use {option_name('sandbox', 'docker')}"
    steps = []
    if _says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"):
        steps.append("`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`")
    if _says("/proc/sys/kernel/unprivileged_userns_clone", "0"):
        steps.append("`sudo sysctl -w kernel.unprivileged_userns_clone=1`")
    if _says("/proc/sys/user/max_user_namespaces", "0"):
        steps.append("`sudo sysctl -w user.max_user_namespaces=15000`")
    steps.append("a kernel from 6.2 on with seccomp and `lsm=landlock,...` on its command line")
    steps.append(f"{option_name('sandbox', 'docker')} (or podman, gvisor) where there is an engine")
    return "Any of these helps: " + "; ".join(steps)


def _says(path: str, value: str) -> bool:
    try:
        return Path(path).read_text(encoding="ascii").strip() == value
    except OSError:
        return False
