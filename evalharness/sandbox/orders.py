"""What crosses between the harness and a fork server: orders one way, reports the other, of one fixed size each.

No JSON here: after each fork the server pays a page fault for every page that it writes to, whatever it writes.
"""

from __future__ import annotations

import array
import socket
import struct
from dataclasses import dataclass

from evalharness.sandbox.program import Limits
from evalharness.sandbox.wire import Closed

_ORDER = struct.Struct("=cQ2d5q")  # what, serial, the limits in their order
_REPORT = struct.Struct("=Q8s2dqi")
_RUN, _STOP = b"r", b"s"
_FD_ROOM = socket.CMSG_SPACE(array.array("i").itemsize)
_PLAIN = bytes(_ORDER.size - 9)


@dataclass(frozen=True, slots=True)
class Report:
    """How a program's process ended: `why` names the limit that was passed, `status` is its exit status, or less than 0
    the signal. Seconds and bytes."""

    serial: int
    why: str
    wall: float
    cpu: float
    rss: int
    status: int


def send_run(sock: socket.socket, serial: int, limits: Limits, fd: int) -> None:
    """Ask for a child that holds `fd`."""
    order = _ORDER.pack(_RUN, serial, *(getattr(limits, name) for name in Limits.__slots__))
    sock.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def stop(sock: socket.socket, serial: int) -> None:
    """Say that a program's verdict is in; of no effect when the program is over already."""
    sock.sendall(_STOP + serial.to_bytes(8, "little") + _PLAIN)


def next_order(sock: socket.socket) -> tuple[int, bytes, int]:
    """(serial, the limits as they came, the child's descriptor), the last -1 where it says stop. Raises Closed."""
    order, extra, _, _ = sock.recvmsg(_ORDER.size, _FD_ROOM)
    if len(order) != _ORDER.size:
        raise Closed("the harness is gone")
    serial = int.from_bytes(order[1:9], "little")
    return serial, order[9:], int.from_bytes(extra[0][2][:4], "little") if extra else -1


def limits_of(raw: bytes) -> Limits:
    """The limits of an order."""
    return Limits(**dict(zip(Limits.__slots__, _ORDER.unpack(bytes(9) + raw)[2:], strict=True)))


def send_report(sock: socket.socket, serial: int, why: str, *figures: float) -> None:
    """Answer an order; `figures` are a Report's last four."""
    sock.sendall(_REPORT.pack(serial, why.encode(), *figures))


def next_report(sock: socket.socket) -> Report:
    """Raises Closed at the end."""
    said = sock.recv(_REPORT.size)
    if len(said) != _REPORT.size:
        raise Closed("the server is gone")
    serial, why, *figures = _REPORT.unpack(said)
    return Report(serial, why.rstrip(b"\0").decode(), *figures)
