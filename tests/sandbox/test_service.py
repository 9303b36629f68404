"""A fenced process that answers calls."""

import pytest

from evalharness.sandbox.pool import Sandbox
from evalharness.sandbox.service import ServiceEnded

ECHO = """
import json, os
from evalharness.sandbox import wire
while True:
    asked = wire.receive(3, 1 << 30)
    if asked.get("leave"):
        os._exit(7)
    if asked.get("spin"):
        while True:
            pass
    if asked.get("huge"):
        os.write(3, (1 << 30).to_bytes(4, "little"))
    if asked.get("rubbish"):
        os.write(3, (3).to_bytes(4, "little") + b"{{{")
    body = json.dumps({"said": asked.get("say"), "pid": os.getpid()}).encode()
    os.write(3, len(body).to_bytes(4, "little") + body)
"""


@pytest.fixture(scope="module", params=["namespace", "landlock"])
def sandbox(request):
    with Sandbox(request.param, workers=1) as opened:
        yield opened


def test_calls_are_answered_one_after_the_other_by_one_process(sandbox):
    service = sandbox.serve(ECHO)
    first, second = service.call({"say": "é\n"}, 10), service.call({"say": 2}, 10)
    assert (first["said"], second["said"]) == ("é\n", 2)
    assert first["pid"] == second["pid"]
    service.close()
    with pytest.raises(ServiceEnded, match="closed"):
        service.call({"say": 1}, 10)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"leave": True}, r"ended \(exit status 7\)"),
        ({"spin": True}, "takes too long"),
        ({"huge": True}, "answers with 1024 MiB"),
        ({"rubbish": True}, "no JSON"),
    ],
)
def test_a_process_that_does_not_answer_is_ended_and_the_worker_goes_on(sandbox, message, said):
    service = sandbox.serve(ECHO)
    with pytest.raises(ServiceEnded, match=said):
        service.call(message, 1)
    with pytest.raises(ServiceEnded, match=said):  # it stays so
        service.call({"say": 1}, 1)
    again = sandbox.serve(ECHO)
    assert again.call({"say": 3}, 10)["said"] == 3
    again.close()
    assert sandbox._started == 1  # of one worker all the time


def test_source_that_fails_at_once_says_so(sandbox):
    service = sandbox.serve("raise SystemExit(3)")
    with pytest.raises(ServiceEnded):
        service.call({}, 5)
