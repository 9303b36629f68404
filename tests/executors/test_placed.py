"""Questions handed out in pieces to copies that come, go and fail: everything is answered once, in the same batches."""

import sys
from collections import deque

import pytest

import evalharness
from evalharness import plugins
from evalharness.errors import UserError
from evalharness.events import Warned, observed_by
from evalharness.executor import (
    Answered,
    Finished,
    Lost,
    Opened,
    PlacementOptions,
    QuestionPiece,
    Recipe,
    Refused,
    ReplicaFacts,
    Spoke,
)  # fmt: skip
from evalharness.executors import _replica
from evalharness.model import Requests
from evalharness.records import Message, Origin, Request, Response
from evalharness.runs import placed
from evalharness.runs.placed import PlacedModel, best_cut, placed_model


def facts(fingerprint="one", version=evalharness.__version__):
    return ReplicaFacts(name="m", fingerprint=fingerprint, chat=False, ranks=True, description={}, version=version)


class FakeExecutor:
    """Copies that answer with the text they were asked. `losses`: the pieces halfway through which a copy is lost."""

    def __init__(self, replicas=2, losses=(), opening=None):
        self.replicas, self.losses, self.opening = replicas, list(losses), opening
        self.asked, self.batches, self.cancelled, self.closed = {}, [], [], False
        self.news, self.count, self.begun = deque(), 0, 0

    def start(self):
        number, self.count = self.count, self.count + 1
        self.asked[number] = deque()
        self.news.append((number, self.opening(number) if self.opening else Opened(facts=facts())))
        return number

    def ask(self, replica, piece):
        self.asked[replica].append(piece)

    def cancel(self, replica):
        self.cancelled.append(replica)
        self.asked[replica].clear()

    def wait(self, seconds):
        if self.news:
            return [self.news.popleft()]
        number = max((n for n in self.asked if self.asked[n]), key=lambda n: len(self.asked[n]))
        piece = self.asked[number].popleft()
        self.begun += 1
        lost = self.begun in self.losses
        end = len(piece.requests) // 2 if lost else len(piece.requests)
        answers = [(i, Response(text=piece.requests[i].text)) for i in range(end)]
        if lost:
            del self.asked[number]
            return [(number, Answered(piece=piece.number, answers=answers)), (number, Lost(words="killed"))]
        self.batches.append(tuple(request.text for request in piece.requests))
        ended = Finished(piece=piece.number, facts=facts())
        return [(number, Answered(piece=piece.number, answers=answers)), (number, ended)]

    def close(self):
        self.closed = True

    def describe(self):
        return {"engine": "fake"}


def ask(text, **more):
    return Request(messages=(Message("user", text),), **more)


def texts(n):
    return [f"subject {i // 20} and its examples. Question {i}" for i in range(n)]


def answers(executor, n=200):
    asked = [ask(text) for text in texts(n)]
    return [(index, response.text) for index, response in PlacedModel(executor).answer(asked)]


@pytest.mark.parametrize("replicas", [1, 2, 4])
@pytest.mark.parametrize("losses", [(), (1,), (2, 5, 9)])
def test_all_is_answered_once_and_in_the_same_batches_however_many_copies_there_are(replicas, losses):
    alone = FakeExecutor(1)
    answers(alone)
    several = FakeExecutor(replicas, losses)
    heard = []
    with observed_by(heard.append):
        found = answers(several)
    assert sorted(found) == list(enumerate(texts(200)))
    assert set(several.batches) == set(alone.batches) and len(several.batches) == len(alone.batches)
    assert len([event for event in heard if isinstance(event, Warned)]) == len(losses)
    assert several.count == min(replicas, len(several.batches)) + len(losses)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 65, 257])
def test_no_question_is_asked_twice_to_fill_the_last_pieces(n):
    """Elsewhere the first items come again at the end, and count twice, where copies and batches do not divide the
    number of items: https://github.com/huggingface/accelerate/issues/295, or a copy with fewer batches hangs:
    https://github.com/EleutherAI/lm-evaluation-harness/issues/951."""
    for replicas in (2, 3, 8):
        executor = FakeExecutor(replicas)
        assert sorted(answers(executor, n)) == list(enumerate(texts(n)))
        assert sorted(text for batch in executor.batches for text in batch) == sorted(texts(n))


def test_pieces_are_cut_where_subjects_end():
    executor = FakeExecutor()
    answers(executor)
    assert all(len(batch) <= placed.SMALLEST_PIECE for batch in executor.batches)
    assert sum(len(batch) for batch in executor.batches) == 200 and len(executor.batches) < 200 / 4
    subjects = ["one and its examples, 1"] * 6 + ["two and its examples, 7"] * 6
    assert best_cut(subjects, 8) == 6 and best_cut(subjects[3:], 8) == 8  # 3 would be less than half of a piece
    assert best_cut(["a", "b"], 8) == 2 and best_cut(["same"] * 9, 8) == 8


def test_copies_that_are_lost_again_and_again_end_the_run_in_one_line():
    executor = FakeExecutor(2, range(1, 100))
    with observed_by(lambda _: None), pytest.raises(UserError, match="lost again and again: killed"):
        answers(executor)
    assert executor.closed


def test_a_copy_that_never_opens_ends_the_run():
    with observed_by(lambda _: None), pytest.raises(UserError, match="again and again"):
        answers(FakeExecutor(2, opening=lambda _: Lost(words="out of memory")))


def test_other_weights_or_another_version_elsewhere_are_refused():
    with pytest.raises(UserError, match="not the same model everywhere"):
        answers(FakeExecutor(2, opening=lambda n: Opened(facts=facts(f"weights {n}"))))
    with pytest.raises(UserError, match=r"runs evalharness 0\.0\.1"):
        answers(FakeExecutor(2, opening=lambda _: Opened(facts=facts(version="0.0.1"))))
    with pytest.raises(UserError, match="no such folder"):
        answers(FakeExecutor(2, opening=lambda _: Refused(text="no such folder")))


def test_what_is_told_by_every_copy_is_heard_once():
    executor = FakeExecutor(3)
    for number in range(3):
        executor.news.append((number, Spoke(text="a template of its own", warning=True)))
    heard = []
    model = PlacedModel(executor)
    with observed_by(heard.append):
        list(model.answer([ask(text) for text in texts(60)]))
    assert [event.text for event in heard if isinstance(event, Warned)] == ["a template of its own"]


def test_turns_that_are_added_meanwhile_are_asked_in_the_order_of_their_questions():
    """They come in the order of answers, which differs with the number of copies; their batches must not."""

    def batches(replicas, losses):
        executor, asked = FakeExecutor(replicas, losses), Requests([ask(text) for text in texts(40)])
        for index, response in PlacedModel(executor).answer(asked):
            if not response.text.startswith("turn"):
                asked.add(ask(f"turn of {index}", origin=Origin(id=f"{index:03}", question="", turn=1)))
        return {batch for batch in executor.batches if batch[0].startswith("turn")}

    with observed_by(lambda _: None):
        assert batches(1, ()) == batches(3, (2, 4)) and sum(map(len, batches(2, ()))) == 40


def test_whoever_stops_reading_leaves_nothing_in_flight():
    executor = FakeExecutor(2)
    found = PlacedModel(executor).answer([ask(text) for text in texts(200)])
    next(found)
    found.close()
    assert executor.cancelled and not any(executor.asked.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replicas", "0"], "--replicas"),
        (["--engine", "rays"], "did you mean ray"),
        (["--address", "h:1"], "--address does nothing without"),
        (["--replicas", "2", "--address", "h:1"], "--address is for --engine ray"),
        (["--replicas", "2", "--replica-gpus", "999"], "GPUs on this machine"),
        (["--replicas", "2", "--batch-api"], "takes no option batch_api"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(evalh, monkeypatch, words, said):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = evalh("run", "mmlu", "--data", "sample", "--model", "echo", *words)
    assert found.code == 2 and said in found.err and found.err.count("\n") == 1


def test_a_model_without_copies_is_opened_as_ever():
    assert placed_model("echo", None, PlacementOptions()).name == "echo"


def test_without_ray_the_extra_is_named(evalh, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "evalharness.executors.ray", raising=False)
    found = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--engine", "ray")
    assert found.code == 2 and "evalharness[scale]" in found.err and found.err.count("\n") == 1


class ServedModel:
    """A model whose server was started for it; `gone`: what that said last."""

    name, fingerprint, chat, ranks, remote, gone = "vllm:DIR", "one", True, False, True, ""

    def answer(self, requests):
        for index, request in enumerate(requests):
            yield index, Response(error="nobody listens") if self.gone else Response(text=request.text)

    def describe(self):
        return {}

    def opened(self):
        return self

    def ended(self):
        return self.gone


def test_a_copy_may_have_a_server_of_its_own_and_ends_when_that_is_gone(monkeypatch, capsys):
    """Though it computes elsewhere. Its questions are asked by others and not failed one after the other."""

    class Ended(Exception):
        pass

    def end(code):
        raise Ended

    monkeypatch.setattr(plugins, "load_model", lambda spec, options: ServedModel())
    copy = _replica.open_replica(Recipe(spec="vllm:DIR", options={}), lambda said: None)
    piece = QuestionPiece(number=0, requests=tuple(Request(messages=(Message("user", text),)) for text in "ab"))
    answered, finished = copy.answers(piece)
    assert [response.text for _, response in answered.answers] == ["a", "b"] and isinstance(finished, Finished)
    monkeypatch.setattr(ServedModel, "gone", "out of memory")
    monkeypatch.setattr(_replica.os, "_exit", end)
    said = copy.answers(piece)
    assert next(said).answers == ()
    with pytest.raises(Ended):
        next(said)
    assert capsys.readouterr().err == "out of memory\n"
