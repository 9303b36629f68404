"""What a judge's call takes at most, what all took, and the verdict that a reply makes."""

from dataclasses import replace

import pytest

from evalharness import plugins
from evalharness.judge import JudgeCase, JudgeItem
from evalharness.judging.calls import Call, Usage, call_tokens, dearest, equal_answers, together, verdict_of
from evalharness.judging.panel import PanelMember
from evalharness.records import Message, Request, Response, Result, Sample, Verdict
from evalharness.scoring.judge_replies import Reading

QUESTION = Sample(id="q/1", question="Why?")
ASKED = Request(messages=(Message("system", "abcd"), Message("user", "äöü")), max_tokens=200)


class Model:
    name, fingerprint, chat, ranks, prices = "m", "m-1", True, False, (2.0, 6.0)

    def describe(self):
        return {}

    def answer(self, requests):
        return iter(())


def call(order="AB", answer="mine", against="theirs", **more):
    case = JudgeCase(
        id="q/1", turns=(("Why?", answer),), against=None if against is None else (("Why?", against),),
    )  # fmt: skip
    result = Result(benchmark="b", sample=QUESTION, request=ASKED, response=Response(text=answer), status="scored")
    seat = PanelMember(name="seat", judge=plugins.load_judge("pairwise"), model=Model())
    part = JudgeItem(name="", turns=case.turns)
    return Call(result=result, case=case, seat=seat, part=part, order=order, retest=0, request=ASKED, sha="s", **more)


def test_a_call_takes_three_bytes_a_token_and_eight_tokens_a_message_at_most():
    assert call_tokens(call()) == (10 // 3 + 2 * 8, 200)
    three = replace(ASKED, messages=(*ASKED.messages, Message("user", "x" * 30)))
    assert call_tokens(replace(call(), request=three)) == (40 // 3 + 3 * 8, 200)


def test_the_dearest_outcome_is_a_reply_as_long_as_allowed():
    assert dearest(call()) == pytest.approx((19 * 2.0 + 200 * 6.0) / 1e6)
    free = type("Free", (Model,), {"prices": None})()
    assert dearest(replace(call(), seat=replace(call().seat, model=free))) is None


def test_what_several_attempts_took_is_added_up():
    first = Response(text="hm", tokens_in=10, tokens_out=5, cost=0.1, cached=True)
    last = Response(text="A", tokens_in=20, tokens_out=7, cost=None, cached=False)
    found = together([first, last])
    assert (found.text, found.tokens_in, found.tokens_out, found.cost, found.cached) == ("A", 30, 12, 0.1, False)
    assert together([last]).cost is None and together([first, first]).cached is True
    assert together([first, first]).cost == pytest.approx(0.2)


def test_usage_counts_every_attempt_and_those_that_were_kept():
    usage = Usage(priced=True)
    given = {"judge": "j", "kind": "pairwise", "value": 1.0, "tokens_in": 10, "tokens_out": 4}
    usage.add(Verdict(**given, attempts=2, cost=0.5))
    usage.add(Verdict(**given, attempts=3, cost=None, cached=True))
    facts = usage.facts()
    assert (facts.calls, facts.cached, facts.tokens_in, facts.tokens_out, facts.cost) == (5, 3, 20, 8, 0.5)
    assert Usage(priced=False).facts().cost is None


def test_equal_answers_are_those_of_every_turn():
    def equal(made):
        return equal_answers(made.case, made.part)

    assert equal(call(against="mine")) and not equal(call()) and not equal(call(against=None))


@pytest.mark.parametrize(("order", "value"), [("AB", 0.75), ("BA", 0.25)])
def test_a_verdict_speaks_of_the_judged_answer_wherever_it_stood(order, value):
    reply = Response(text="A", tokens_in=3, tokens_out=2, cost=0.1, cached=True, top_logprobs=(("A", -0.1),))
    made = verdict_of(call(order), reply, Reading(value=0.75, label="A", how="json"), attempts=2)
    assert (made.value, made.label, made.order, made.status, made.raw) == (value, "A", order, "ok", "A")
    assert (made.attempts, made.tokens_in, made.tokens_out, made.cost, made.cached) == (2, 3, 2, 0.1, True)
    assert made.judge == "pairwise" and made.kind == "pairwise" and made.logprobs == (("A", -0.1),)
    assert made.extra == {
        "seat": "seat",
        "weight": 1.0,
        "how": "json",
        "model": "m",
        "request_sha": "s",
        "chars": [4, 6],
    }


def test_what_could_not_be_read_has_no_value_in_either_order():
    made = verdict_of(
        call("BA"), Response(text="hm"), Reading(value=None, status="unparsable", problem="none"), attempts=1
    )
    assert made.value is None and made.status == "unparsable" and made.extra["problem"] == "none"
    turns = (("Why?", "a"), ("And?", "bcd"))
    several = replace(call(), case=JudgeCase(id="q/1", turns=turns[::-1], against=turns))
    assert verdict_of(several, Response(), Reading(value=0.5), attempts=1).extra["chars"] == [1, 3], "of the last turns"
    alone = verdict_of(call("", against=None), Response(), Reading(value=0.5), attempts=1)
    assert alone.extra["chars"] == [4]


def test_of_three_replies_the_last_counts_and_all_are_paid():
    said = [Response(text=text, cost=0.5, tokens_in=2, tokens_out=n) for n, text in enumerate("abc")]
    whole = together(said)
    assert (whole.text, whole.cost, whole.tokens_in, whole.tokens_out) == ("c", 1.5, 6, 3)


def test_a_call_is_known_by_its_answer_its_seat_its_part_and_its_order():
    keys = [call(order).key for order in ("AB", "BA")] + [replace(call("AB"), retest=1).key]
    assert len(set(keys)) == 3 and keys[0][:3] == call().result.key and keys[0][-2:] == ("AB", 0)
