"""What the self-test runs inside the fence: each probe tries one thing and says whether it was refused."""

SOURCE = r"""
import ctypes, os, resource, signal, socket, subprocess, threading, time

def refused(act):
    try:
        return act() is False
    except (OSError, MemoryError, ValueError):
        return True

def send(family, kind, address):
    s = socket.socket(family, kind)
    s.settimeout(1)
    s.connect(address)
    s.send(b"x")

def write(path):
    with open(path, "w") as f:
        f.write("x")

def fill():
    block = b"x" * (1 << 20)
    with open("big", "wb") as f:
        for _ in range(40):
            f.write(block)

def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)

def other_limits(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    room = (ctypes.c_ulonglong * 2)(1 << 40, 1 << 40)
    if libc.prlimit(int(pid), resource.RLIMIT_CPU, None, ctypes.byref(room)) < 0:
        return False

PROBES = {
    "read a file": lambda t: open(t).read(),
    "write beside it": lambda t: write(t + ".new"),
    "change its mode": lambda t: os.chmod(t, 0o777),
    "change its time": lambda t: os.utime(t, (1, 1)),
    "read the harness's environment": lambda t: open(f"/proc/{t}/environ", "rb").read(),
    "connect by TCP": lambda t: send(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(t))),
    "send by UDP": lambda t: send(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", int(t))),
    "connect to a unix socket": lambda t: send(socket.AF_UNIX, socket.SOCK_STREAM, t),
    "connect to an abstract socket": lambda t: send(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + t),
    "fork": lambda t: fork(),
    "start a program": lambda t: subprocess.run(["/bin/true"]),
    "signal the harness": lambda t: os.kill(int(t), 0),
    "change the harness's limits": other_limits,
    "take more memory than allowed": lambda t: bytearray(1 << 31) and None,
    "write more than allowed": lambda t: fill(),
}

def probe(name, target):
    return refused(lambda: PROBES[name](target))

def spin():
    while True:
        pass

def works():
    import csv, decimal, json, tempfile
    with tempfile.NamedTemporaryFile("w+") as f:
        f.write("kept")
        f.seek(0)
        kept = f.read() == "kept"
    done = []
    t = threading.Thread(target=lambda: done.append(1))
    t.start()
    t.join()
    return kept and done == [1] and json.loads("[1]") == [1]
"""

FILES = ("read a file", "write beside it", "change its mode", "change its time", "read the harness's environment")
OTHERS = (
    "connect by TCP", "send by UDP", "connect to a unix socket", "connect to an abstract socket", "fork",
    "start a program", "signal the harness", "change the harness's limits", "take more memory than allowed",
    "write more than allowed",
)  # fmt: skip
