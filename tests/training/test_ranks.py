"""Trainings of several processes: the weights of one, with whole weights in each and with weights in parts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import BAR, furthest, near

from evalharness.errors import UserError
from evalharness.training import checkpointing

WAYS = {
    "whole": {}, "gpt2": {"raw": "GPT2"}, "pieces": {"settings": {"micro": 2, "recompute": True, "neftune": 5.0}},
    "dpo": {"settings": {"loss": "dpo"}}, "kto": {"settings": {"loss": "kto"}}, "orpo": {"settings": {"loss": "orpo"}},
    "lora": {"lora": {"rank": 4, "alpha": 4}}, "dora": {"lora": {"rank": 4, "alpha": 4, "dora": True}},
    "qlora": {"lora": {"rank": 4, "alpha": 4, "four_bit": True}}, "half": {"settings": {"dtype": "bfloat16"}},
}  # fmt: skip
Trained = dict[str, Any]
pytestmark = pytest.mark.slow


def train(count: int, folder: Path, wanted: dict[str, Any]) -> list[tuple[int, str]]:
    """Run ranked.py in so many processes, as torchrun starts them; how each ended and what it said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, str(Path(__file__).with_name("ranked.py")), str(folder), json.dumps(wanted)]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(
            line, env={**shared, "RANK": str(rank), "WORLD_SIZE": str(count)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(count)
    ]
    try:
        return [(rank.wait(), said) for rank in ranks for _, said in [rank.communicate(timeout=600)]]
    finally:
        for rank in ranks:
            rank.kill()


def found(folder: Path, name: str) -> Trained:
    return torch.load(folder / f"{name}.pt", weights_only=True)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Every way, eight steps on one process, on two, and on two with weights in parts; and what half of them leaves."""
    folder = tmp_path_factory.mktemp("trained")
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        del WAYS["qlora"]
    half = {"until": 4}
    plans = (
        (1, {f"one-{name}": way for name, way in WAYS.items()} | {"one-begun": half}),
        (2, {f"two-{name}": way for name, way in WAYS.items()} | {"two-begun": half}),
        (2, {f"parts-{name}": way | {"fsdp": True} for name, way in (WAYS | {"begun": half}).items()}),
    )
    for count, wanted in plans:
        ended = train(count, folder, wanted)
        assert [code for code, _ in ended] == [0] * count, ended
    return lambda name: {**found(folder, name), "folder": folder}


@pytest.mark.parametrize("way", list(WAYS))
def test_two_processes_give_the_weights_of_one(way: str, trained: Callable[[str], Trained]) -> None:
    """Eight steps; in the last one of an epoch there is one row, so that one process has none. In bfloat16 a sum in
    other pieces rounds otherwise, so the two ways of two processes are compared."""
    if way not in WAYS:
        pytest.skip("bitsandbytes is not installed")
    one, two, parts = (trained(f"{kind}-{way}") for kind in ("one", "two", "parts"))
    pairs = [(parts, two)] if way == "half" else [(two, one), (parts, one)]
    for got, want in pairs:
        assert furthest(got["weights"], want["weights"]) < (BAR,)
        assert got["validation"].keys() == want["validation"].keys()
        for name, value in want["validation"].items():
            assert got["validation"][name] == near(value, max(1.0, abs(value)))


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("begun", ["two", "parts"])
def test_what_two_processes_saved_goes_on_on_others(
    begun: str, count: int, trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    """With whole weights and in parts, from a state of either kind; on as many processes to the same bits."""
    folder = trained("one-whole")["folder"]
    ways = {"again": {"from": f"{begun}-begun"}, "again-in-parts": {"from": f"{begun}-begun", "fsdp": True}}
    if count == 1:
        del ways["again-in-parts"]
    ended = train(count, folder, {f"{begun}-{count}-{name}": way for name, way in ways.items()})
    assert [code for code, _ in ended] == [0] * count, ended
    wanted = trained(f"{begun}-whole")["weights"]
    for name in ways:
        again = found(folder, f"{begun}-{count}-{name}")["weights"]
        assert furthest(again, wanted) < (1e-6,)
        if count == 2 and (name == "again-in-parts") == (begun == "parts"):
            assert all(torch.equal(again[each], wanted[each]) for each in wanted)


def test_a_state_that_lacks_a_part_is_refused_by_name(trained: Callable[[str], Trained], tmp_path: Path) -> None:
    from evalharness.training.sharded_state import check_parts

    folder = trained("one-whole")["folder"] / "parts-begun"
    kept = checkpointing.load_state(folder / "state.pt")["parts"]
    assert sorted(kept["files"]) == [".metadata", "__0_0.distcp", "__1_0.distcp"]
    check_parts(folder, kept)
    part = folder / kept["folder"] / "__1_0.distcp"
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    with pytest.raises(UserError, match=r"__1_0.distcp: this part of the saved training is not whole"):
        check_parts(folder, kept)
    part.unlink()
    with pytest.raises(UserError, match=r"__1_0.distcp: .* is missing \(3 files belong to it\)"):
        check_parts(folder, kept)
    part.write_bytes(content)
