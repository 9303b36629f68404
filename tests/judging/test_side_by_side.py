"""Judges are asked side by side, replies that cannot be read again at once, and all of them end together."""

import json
import threading
from pathlib import Path

import pytest
from judging.test_judging import GOOD, fair, judge, only, run  # noqa: F401
from stub_server import Reply, Stub, serve, text_of

pytestmark = pytest.mark.usefixtures("heavy_http_client")

SEATS = ("x", "y", "z")
PANEL = "panel=" + ",".join(f"pairwise=openai:{name}" for name in SEATS)


def asked(stub: Stub, seat: str) -> int:
    return sum(body["model"] == seat for body in stub.seen)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("evalh-")]


def summary(name: str) -> bytes:
    return Path("runs", name, "summary.json").read_bytes()


def opinion(body) -> str:
    """Each seat has its own: x is fair, y always says A, z cannot be read at first."""
    if body["model"] == "y":
        return '{"reason": "", "verdict": "A"}'
    return "Hm." if body["model"] == "z" and len(body["messages"]) < 3 else fair(body)


def test_three_seats_take_the_time_of_one(evalh, run):  # noqa: F811
    """Each seat's first reply is held back until all three have asked."""
    name, held = run(lambda s, n: f"{GOOD} {n}"), []

    def reply(body):
        if asked(stub, body["model"]) == 1:
            held.append(stub.until(lambda: all(asked(stub, seat) for seat in SEATS)))
        return opinion(body)

    with serve(reply) as stub:
        said = judge(evalh, stub, name, spec=PANEL)
    assert said.code == 0, said.err
    assert held == [True] * 3 and threads() == []
    assert [asked(stub, seat) for seat in SEATS] == [16, 16, 32]
    assert only(said)[1]["panel"]["members"] == {
        "pairwise=openai:x": 1.0, "pairwise=openai:y": 0.5, "pairwise=openai:z": 1.0
    }  # fmt: skip


def test_the_figures_do_not_depend_on_who_answers_first(evalh, run):  # noqa: F811
    """One seat answers only when the other two are through; then another."""
    kept = []
    for number, last in enumerate(("x", "z")):
        name = run(lambda s, n: f"{GOOD} {n}", name=f"run{number}")

        def reply(body, last=last):
            others = sum(16 * (1 + (seat == "z")) for seat in SEATS if seat != last)
            if body["model"] == last:
                assert stub.until(lambda: len(stub.seen) - asked(stub, last) == others)
            return opinion(body)

        with serve(reply) as stub:
            assert judge(evalh, stub, name, "--no-cache", spec=PANEL).code == 0
        kept.append(summary(name))
    assert kept[0] == kept[1]


def test_a_question_is_put_again_without_waiting_for_the_others(evalh, run):  # noqa: F811
    """One call's first reply is held back until all the others have been asked twice."""
    name, held = run(lambda s, n: f"{GOOD} {n}"), []

    def reply(body):
        if len(body["messages"]) > 2:
            return fair(body)
        if f"{GOOD} 5" in text_of(body):
            held.append(stub.until(lambda: sum(len(b["messages"]) > 2 for b in stub.seen) == 7))
        return "Hm."

    with serve(reply) as stub:
        said = judge(evalh, stub, name, "--order", "seeded", spec="pairwise=openai:stub")
    assert said.code == 0 and held == [True] and len(stub.seen) == 16


def test_an_error_of_one_seat_ends_the_others_while_they_wait(evalh, run):  # noqa: F811
    name, over = run(lambda s, n: GOOD), threading.Event()

    def reply(body):
        if body["model"] == "y":
            assert stub.until(lambda: all(asked(stub, seat) for seat in SEATS))
            return Reply(status=401, error="revoked")
        over.wait(20)
        return fair(body)

    with serve(reply) as stub:
        said = judge(evalh, stub, name, spec=PANEL)
        assert said.code == 2 and "not accepted" in said.err
        assert threads() == []
        over.set()
        assert stub.until(lambda: stub.connections == 0)
        assert len(stub.seen) == 3


@pytest.mark.parametrize("limit", [3072, 4000, 20000])
def test_seats_share_the_price_limit_and_what_is_left_is_judged_later(evalh, run, limit):  # noqa: F811
    names = [run(lambda s, n: f"{GOOD} {n}", name=name) for name in ("limited", "free")]
    prices = ("--judge-price-in", "0", "--judge-price-out", "1000000", "--no-cache")
    with serve(lambda body: Reply(text=opinion(body), tokens=(10, 1024))) as stub:
        stopped = judge(evalh, stub, names[0], "--max-cost", str(limit), *prices, spec=PANEL)
        assert stopped.code == 3 and f"--max-cost {limit} is reached" in stopped.err
        lines = [json.loads(line) for line in Path("runs/limited/verdicts.jsonl").read_text().splitlines()]
        assert f"{48 - len(lines)} verdicts not asked" in stopped.err
        assert 0 < len(stub.seen) * 1024 <= limit
        assert sum(line["verdict"].get("attempts", 1) for line in lines) == len(stub.seen)
        assert judge(evalh, stub, names[0], *prices, spec=PANEL).code == 0
        assert len(stub.seen) == 64
        assert judge(evalh, stub, names[1], *prices, spec=PANEL).code == 0
    assert summary("limited") == summary("free")


def test_seats_of_one_model_share_its_connections_and_models_of_this_machine_take_turns(evalh, run):  # noqa: F811
    name = run(lambda s, n: f"{GOOD} {n}")
    spec = "panel=pairwise=openai:x,pairwise=openai:x,pairwise=echo,pairwise=echo"
    with serve(fair) as stub:
        said = judge(evalh, stub, name, "--no-cache", "--concurrency", "3", spec=spec)
    assert said.code == 3, "echo gives no verdict"
    assert stub.busiest <= 3 and len(stub.seen) == 32 and threads() == []
    members = only(said)[1]["panel"]["members"]
    assert members == {
        "pairwise=echo": None,
        "pairwise=echo#2": None,
        "pairwise=openai:x": 1.0,
        "pairwise=openai:x#2": 1.0,
    }
