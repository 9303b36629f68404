"""Copies of a model as actors of a Ray cluster: placed where the GPUs, cores or resources are that each copy takes.

Ray places and watches; what is asked, how often and what is written down is decided by whoever holds the executor. A
copy that is lost is not restarted by Ray, which would ask again every call that was queued: another one is placed, and
gets the pieces that the lost one had.
"""

from __future__ import annotations

import os
import secrets
import socket
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError

from evalharness.errors import UserError, option_name
from evalharness.events import Told, tell
from evalharness.executor import (
    Lost,
    Opened,
    PlacementOptions,
    QuestionPiece,
    Recipe,
    Refused,
    ReplicaMessage,
    own_cores,
    visible_gpus,
)
from evalharness.executors._replica import Replica, open_replica
from evalharness.text.visible import line

_PROBE_SECONDS = 2.5  # for a connection, and again for its first answer
_STARTS = 3  # of a cluster on this machine
_OBJECT_STORE = 256 * 2**20  # bytes of a cluster that is started here: answers are small


class _Actor:
    """What Ray runs: a copy, which is opened and asked as a stream of messages."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._replica: Replica | None = None

    def opened(self) -> Iterator[ReplicaMessage]:
        """Open the model: what is told meanwhile, and at the end `Opened` or `Refused`."""
        spoken: list[ReplicaMessage] = []
        try:
            self._replica = open_replica(self._recipe, spoken.append)
            yield from spoken
            yield Opened(facts=self._replica.facts)
        except UserError as error:
            yield from spoken
            yield Refused(text=str(error))

    def answers(self, piece: QuestionPiece) -> Iterator[ReplicaMessage]:
        try:
            if self._replica is not None:
                yield from self._replica.answers(piece)
        except UserError as error:
            yield Refused(text=str(error))

    def cancel(self, last: int) -> None:
        if self._replica is not None:
            self._replica.cancel(last)


class RayReplicas:
    """Copies of a model in a Ray cluster, each an actor. `ray.init` was called."""

    def __init__(self, recipe: Recipe, options: PlacementOptions, *, ours: bool) -> None:
        self._takes = _each_takes(options, ray.cluster_resources())
        self._recipe = replace(recipe, cores=self._takes["num_cpus"])
        self.replicas = options.replicas or _fitting(self._takes, ray.cluster_resources())
        self._actors: dict[int, Any] = {}
        self._streams: dict[Any, int] = {}  # a stream of messages -> the copy that it comes from
        self._last_piece: dict[int, int] = {}
        self._count = 0
        self.close = weakref.finalize(self, _end, self._actors, ours)

    def start(self) -> int:
        placed = ray.remote(
            **self._takes, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD",
            concurrency_groups={"control": 1},
        )  # fmt: skip
        actor = placed(_Actor).remote(self._recipe)
        number, self._count = self._count, self._count + 1
        self._actors[number] = actor
        self._streams[actor.opened.options(num_returns="streaming").remote()] = number
        return number

    def ask(self, replica: int, piece: QuestionPiece) -> None:
        if replica in self._actors:
            stream = self._actors[replica].answers.options(num_returns="streaming").remote(piece)
            self._streams[stream], self._last_piece[replica] = replica, piece.number

    def cancel(self, replica: int) -> None:
        if replica in self._actors and replica in self._last_piece:
            self._actors[replica].cancel.options(concurrency_group="control").remote(self._last_piece[replica])

    def wait(self, seconds: float) -> Sequence[tuple[int, ReplicaMessage]]:
        if not self._streams:
            return []
        ready, _ = ray.wait(list(self._streams), num_returns=1, timeout=seconds, fetch_local=False)
        return [message for stream in ready for message in self._next(stream)]

    def _next(self, stream: Any) -> list[tuple[int, ReplicaMessage]]:
        """The next message of a stream that has one, or is at its end."""
        number = self._streams.get(stream)
        if number is None:
            return []
        try:
            return [(number, ray.get(next(stream)))]
        except StopIteration:
            del self._streams[stream]
            return []
        except RayError as error:
            return [(number, self._gone(number, error))]

    def _gone(self, number: int, error: Exception) -> ReplicaMessage:
        actor = self._actors.pop(number)
        for stream in [stream for stream, owner in self._streams.items() if owner == number]:
            del self._streams[stream]
        ray.kill(actor)
        return Lost(
            words=line(str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__, 300)
        )

    def describe(self) -> Mapping[str, Any]:
        return {"engine": "ray", "replicas": self.replicas, "ray": ray.__version__, "each_takes": dict(self._takes)}


def _end(actors: dict[int, Any], ours: bool) -> None:
    if ray.is_initialized():
        for actor in actors.values():
            ray.kill(actor)
        if ours:
            ray.shutdown()
    actors.clear()


def _each_takes(options: PlacementOptions, there: Mapping[str, float]) -> dict[str, Any]:
    """What Ray sets aside for each copy: a GPU where there are any, else its share of the cores."""
    gpus = options.replica_gpus if options.replica_gpus is not None else int(there.get("GPU", 0) >= 1)
    share = max(1, int(there.get("CPU", 1) // (options.replicas or 1))) if options.replicas else 1
    named = dict(_resource(word) for word in options.replica_resource)
    cores = options.replica_cores or (1 if gpus else share)
    return {"num_cpus": cores, "num_gpus": gpus, **({"resources": named} if named else {})}


def _resource(word: str) -> tuple[str, float]:
    name, _, amount = word.partition("=")
    try:
        if name and float(amount) > 0:
            return name, float(amount)
    except ValueError:
        pass
    raise UserError(f"{option_name('replica_resource')} wants NAME=AMOUNT, such as a100=1; there is {word!r:.80}")


def _fitting(takes: Mapping[str, Any], there: Mapping[str, float]) -> int:
    """How many copies the cluster has room for. UserError where not even one fits."""
    wanted = {"CPU": takes["num_cpus"], "GPU": takes["num_gpus"], **takes.get("resources", {})}
    rooms = {name: int(there.get(name, 0) // amount) for name, amount in wanted.items() if amount}
    scarce = min(rooms, key=lambda name: rooms[name])
    if not rooms[scarce]:
        raise UserError(
            f"no copy fits in the Ray cluster: each takes {wanted[scarce]:g} {scarce}, and of that it has "
            f"{there.get(scarce, 0):g}"
        )
    return rooms[scarce]


def _connect(address: str | None) -> bool:
    """Be a driver of the cluster at an address, or of one that is started here; False where this process is one.

    UserError, within seconds, where nobody listens: Ray itself would try for minutes.
    """
    if ray.is_initialized():
        return False
    quiet = {"log_to_driver": False, "logging_level": "error", "configure_logging": False}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        _start_here(quiet)
        return True
    _probe(address)
    try:
        ray.init(address=address, **quiet)
    except Exception as error:  # Ray raises what it likes, bare exceptions too
        raise UserError(
            f"{option_name('address', address)}: {line(str(error), 300)}; a cluster that wants a token gets it from "
            "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        ) from error
    return True


def _start_here(quiet: Mapping[str, Any]) -> None:
    """Start a cluster of this machine alone. UserError where that fails."""
    if "RAY_AUTH_MODE" not in os.environ and "RAY_AUTH_TOKEN" not in os.environ:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # its own: Ray would write one into the home folder
    os.environ.setdefault("RAY_worker_niceness", "0")  # what is asked is no less urgent than this process
    for left in reversed(range(_STARTS)):
        try:
            ray.init(
                address="local", num_cpus=own_cores(), num_gpus=len(visible_gpus()), include_dashboard=False,
                object_store_memory=_OBJECT_STORE, **quiet,
            )  # fmt: skip
            return
        except Exception as error:  # a busy machine is too slow for Ray's own patience, which nothing changes
            ray.shutdown()
            if not left:
                raise UserError(f"Ray does not start here: {line(str(error), 300)}") from error
            tell(Told(text=f"Ray did not start ({line(str(error), 100)}) and is started again"))


def _probe(address: str) -> None:
    """UserError unless somebody who may be a Ray cluster listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(
            f"{option_name('address')} wants HOST:PORT of the cluster's head, as `ray start --head` prints it; there "
            f"is {address!r:.80}"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS) as found:
            if os.environ.get("RAY_USE_TLS") in (None, "", "0") and not _speaks_http2(found):
                raise UserError(f"{option_name('address', address)}: who listens there is no Ray cluster")
    except OSError as error:
        raise UserError(f"{option_name('address', address)}: nobody listens there ({error})") from None


def _speaks_http2(found: socket.socket) -> bool:
    """Whether the other end answers as every gRPC server does, with a frame of settings (RFC 9113, 3.4 and 6.5)."""
    found.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    try:
        return found.recv(9)[3:4] == b"\x04"
    except TimeoutError:
        return False


def open_executor(recipe: Recipe, options: PlacementOptions) -> RayReplicas:
    """Copies in the cluster at `address` or RAY_ADDRESS, or in one that is started here and ends with the run.

    UserError where there is none, or no copy fits.
    """
    for word in options.replica_resource:
        _resource(word)
    ours = _connect(options.address or os.environ.get("RAY_ADDRESS") or None)
    return RayReplicas(recipe, options, ours=ours)
