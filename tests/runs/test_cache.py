"""Answers kept by content: asked once, told apart by all that decides them, failures asked again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from evalharness.errors import UserError
from evalharness.records import Message, Origin, Request, Response
from evalharness.runs import cache


@dataclass
class Counting:
    """A model that says how often it was asked."""

    name: str = "counting"
    fingerprint: str = "f"
    chat: bool = True
    ranks: bool = True
    seen: list[Request] = field(default_factory=list)
    failing: bool = False

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        for index in reversed(range(len(requests))):
            self.seen.append(requests[index])
            text = requests[index].messages[0].content
            yield (
                index,
                Response(error="down") if self.failing else Response(text=text, cost=1.0, logprobs=(-1.0, -2.0)),
            )

    def describe(self):
        return {}


def ask(text="q", **more):
    return Request(messages=(Message("user", text),), **more)


def test_nothing_is_asked_twice(tmp_path):
    model = Counting()
    kept = cache.with_cache(model, tmp_path / "c.sqlite")
    first = dict(kept.answer([ask("a"), ask("b"), ask("a")]))
    assert len(model.seen) == 2
    assert {i: r.text for i, r in first.items()} == {0: "a", 1: "b", 2: "a"}
    assert sum(r.cost for r in first.values()) == 2.0
    again = dict(kept.answer([ask("b"), ask("c")]))
    assert len(model.seen) == 3
    assert (again[0].cached, again[0].cost, again[0].logprobs) == (True, 0.0, (-1.0, -2.0))
    assert not again[1].cached


@pytest.mark.parametrize(
    "other",
    [
        ask("p"), ask(temperature=1.0), ask(seed=1), ask(max_tokens=1), ask(stop=("x",)), ask(top_p=0.5),
        ask(choices=("a",)), ask(top_logprobs=5), ask(schema={"type": "object"}),
        ask(origin=Origin(id="i", question="q", repeat=1)),
    ],
)  # fmt: skip
def test_whatever_decides_an_answer_is_in_the_key(other):
    assert cache.reply_key("f", ask()) != cache.reply_key("f", other)
    assert cache.reply_key("f", other) != cache.reply_key("g", other)


def test_whose_question_it_is_is_not():
    one = ask(origin=Origin(id="i", question="q"))
    assert (
        cache.reply_key("f", one)
        == cache.reply_key("f", replace(one, origin=Origin(id="j", question="r")))
        == cache.reply_key("f", ask())
    )


def test_failures_are_not_kept(tmp_path):
    model = Counting(failing=True)
    kept = cache.with_cache(model, tmp_path / "c.sqlite")
    assert dict(kept.answer([ask()]))[0].error == "down"
    model.failing = False
    assert dict(kept.answer([ask()]))[0].text == "q"
    assert len(model.seen) == 2


def test_lone_surrogates_survive(tmp_path):
    kept = cache.with_cache(Counting(), tmp_path / "c.sqlite")
    for _ in range(2):
        assert dict(kept.answer([ask("a\ud800")]))[0].text == "a\ud800"


def test_a_file_that_is_no_cache_is_one_line(tmp_path):
    (tmp_path / "c.sqlite").write_text("not a database, and long enough to be looked at as one" * 20)
    with pytest.raises(UserError, match="cache=False"):
        dict(cache.with_cache(Counting(), tmp_path / "c.sqlite").answer([ask()]))
