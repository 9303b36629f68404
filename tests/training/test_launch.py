"""Processes of one training are started, interrupted and ended together, and say in one line why."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evalharness.errors import UserError
from evalharness.training import launch
from evalharness.training.config import TrainingConfig
from evalharness.training.world import LostProcessError, TrainingWorld


def at_rank(work: str, failing: str = "0", file: str = "") -> int:
    """What a process of these tests does; the name of the work says it."""
    rank = os.environ["RANK"]
    if work == "say":
        Path(file + rank).write_text(" ".join(os.environ[n] for n in ("WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")))
        return 3 if rank == "0" else 0
    if rank == failing:
        if work == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if work == "break":
            raise ValueError("no such thing")
        raise UserError("the data are wrong")
    if work == "wait":
        Path(file + rank).write_text("here")
        signal.pause()
    raise LostProcessError("another process is gone")


def test_each_process_knows_its_place_and_the_first_ones_code_counts(tmp_path: Path) -> None:
    assert launch.run_processes(2, partial(at_rank, "say", file=str(tmp_path / "of"))) == 3
    assert [(tmp_path / f"of{rank}").read_text() for rank in range(2)] == ["2 0 127.0.0.1", "2 1 127.0.0.1"]


@pytest.mark.parametrize(
    ("work", "failing", "says"),
    [
        ("refuse", "0", "the data are wrong"), ("refuse", "1", "the data are wrong"),
        ("die", "0", "process 1 of 2 was killed by signal 9"), ("die", "1", "process 2 of 2 was killed by signal 9"),
        ("break", "1", "process 2 of 2 ended with code 1 (ValueError: no such thing)"),
    ],
)  # fmt: skip
def test_the_reason_is_that_of_the_process_that_failed_first(work: str, failing: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        launch.run_processes(2, partial(at_rank, work, failing))
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


if TYPE_CHECKING:  # torch stands behind it, and each process of these tests imports this module
    from evalharness.training.job import FinetuneJob


def job(fsdp: bool = False, **settings: int) -> FinetuneJob:
    from evalharness.training.job import FinetuneJob

    return FinetuneJob(data="", model="", out=Path("out"), fsdp=fsdp, settings=TrainingConfig(**settings))


def test_an_interruption_reaches_all_processes(tmp_path: Path) -> None:
    """As does SIGTERM; each is a session of its own, so that a terminal's Ctrl-C does not reach it a second time."""
    here = tmp_path / "of"

    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        launch.run_processes(2, partial(at_rank, "wait", "", str(here)))
    thread.join()


def test_what_processes_cannot_share_is_refused_before_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    launch.check_processes(8, job(batch=8, fsdp=True))
    launch.check_processes(9, job(batch_tokens=2048))
    with pytest.raises(UserError, match="9 processes cannot share steps of batch=8"):
        launch.check_processes(9, job(batch=8))
    with pytest.raises(UserError, match="wants 1 or more"):
        launch.check_processes(0, job())
    with pytest.raises(UserError, match="fsdp=True spreads the weights over several processes, and there is one"):
        launch.check_processes(1, job(fsdp=True))
    monkeypatch.setenv("WORLD_SIZE", "4")
    launch.check_processes(1, job(batch=4, fsdp=True))
    with pytest.raises(UserError, match="torchrun has started 4 already"):
        launch.check_processes(2, job())
    with pytest.raises(UserError, match="4 processes cannot share"):
        launch.check_processes(1, job(batch=3))


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize(("count", "most"), [(7, 2), (1, 4), (4, 1), (9, 4)])
def test_every_item_counts_once_and_sharded_ranks_make_as_many_passes(count: int, most: int, sharded: bool) -> None:
    shares = [list(TrainingWorld(rank=rank, size=2, sharded=sharded).share(range(count), most)) for rank in range(2)]
    seen = sorted(item for share in shares for piece, counts in share if counts for item in piece)
    assert seen == list(range(count))
    assert max(len(piece) for share in shares for piece, _ in share) <= most
    if sharded:
        assert len(shares[0]) == len(shares[1])
    else:
        assert all(counts for share in shares for _, counts in share)
