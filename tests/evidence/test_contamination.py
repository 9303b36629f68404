"""The order test: exact where nothing is known, sharp where the order is, plain about what it cannot be asked of."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from evalharness.errors import UserError
from evalharness.evidence.contamination import ShuffledText, cut, order_likelihoods, order_test
from evalharness.records import Response
from evalharness.stats.exchangeability import p_first_is_largest, standing_out


@dataclass
class Knows:
    """A model that finds a text likelier by how many of its questions follow each other as they do in a file."""

    file: tuple[str, ...] = ()
    bonus: float = 1.0
    noise: float = 1.0
    ranks: bool = True
    chat: bool = False
    name: str = "knows"
    fingerprint: str = "knows"

    def describe(self):
        return {"context": 200}

    def answer(self, requests):
        follows = set(pairwise(self.file))
        for index, request in enumerate(requests):
            parts = request.choices[0].split("\n\n")
            known = sum(pair in follows for pair in pairwise(parts))
            seed = sum(map(ord, request.choices[0][:40])) + len(parts) + index
            noise = np.random.default_rng(seed).normal(0, self.noise)
            yield index, Response(logprobs=(self.bonus * known + noise,))


@pytest.mark.parametrize("noise", ["normal", "heavy tails", "ties"])
def test_the_p_value_is_exact_where_the_order_means_nothing(noise):
    random, alarms = np.random.default_rng(5), 0
    for seed in range(600):
        values = {"normal": random.normal, "heavy tails": lambda size: random.standard_t(1.5, size),
                  "ties": lambda size: random.integers(0, 3, size).astype(float)}[noise](size=(8, 12))  # fmt: skip
        alarms += p_first_is_largest(values, seed, draws=399) <= 0.05
    assert alarms <= 46  # 30 expected; more than 46 is a chance of 1 in 500


def test_values_are_held_against_their_own_piece():
    values = np.array([[3.0, 1.0, 2.0], [300.0, 100.0, 200.0], [5.0, 5.0, 5.0]])
    assert np.allclose(standing_out(values)[0], standing_out(values)[1])
    assert (standing_out(values)[2] == 0).all()


def test_values_that_are_the_same_but_for_rounding_do_not_stand_out():
    assert (standing_out(np.full((1, 3), 0.1)) == 0).all()


def test_p_is_never_zero():
    values = np.zeros((30, 20))
    values[:, 0] = 1
    assert p_first_is_largest(values, 0, draws=99) == 0.01
    assert p_first_is_largest(values, 0) == 1e-4


def test_pieces_are_neighbours_that_fit():
    texts = [f"question {i}" for i in range(20)]
    pieces = cut(texts, 50)
    assert [text for piece in pieces for text in piece] == texts[: sum(map(len, pieces))]
    assert all(len("\n\n".join(piece)) <= 50 for piece in pieces)
    assert cut(["x" * 100, *texts[:3]], 50) == [texts[:3]]
    assert cut(texts[:2], 500) == []


def test_orders_are_shuffles_of_the_piece():
    class Told(Knows):
        seen: list[str]

        def answer(self, requests):
            for index, request in enumerate(requests):
                self.seen.append(request.choices[0])
                yield index, Response(logprobs=(0.0,))

    model = Told()
    model.seen = []
    piece = [f"q{i}" for i in range(6)]
    assert order_likelihoods(model, [ShuffledText(parts=tuple(piece))], 9, 0).shape == (1, 10)
    assert model.seen[0] == "\n\n".join(piece)
    assert len(set(model.seen)) > 5
    assert all(sorted(text.split("\n\n")) == piece for text in model.seen)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f'{{"q": "What is the number {i} called?", "a": "the {i}th"}}\n' for i in range(80))
    (tmp_path / "rows.jsonl").write_text(rows)
    (tmp_path / "bench.yaml").write_text(
        "source: rows.jsonl\ntemplate: '{{q}}'\nchoices: ['{{a}}', 'none']\ngold: '0'\n"
    )
    return "./bench.yaml"


def texts(count=80):
    return tuple(f"What is the number {i} called?\nthe {i}th\nnone\nthe {i}th" for i in range(count))


def test_a_known_order_is_found_and_an_unknown_one_is_not(bench):
    assert order_test(Knows(texts()), bench).p < 0.001
    assert order_test(Knows(texts(), bonus=0.0), bench).p > 0.01
    backwards = order_test(Knows(texts()[::-1]), bench)
    assert backwards.p > 0.05
    found = order_test(Knows(texts()), bench, orders=7)
    assert found.advantage > 0
    assert (found.orders, found.pieces > 5) == (7, True)


def test_a_known_order_of_choices(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f'{{"q": "Number {i}?", "a": "x{i}", "b": "y{i}", "c": "z{i}", "d": "w{i}"}}\n' for i in range(60))
    (tmp_path / "rows.jsonl").write_text(rows)
    (tmp_path / "b.yaml").write_text(
        "source: rows.jsonl\ntemplate: '{{q}}'\nchoices: ['{{a}}', '{{b}}', '{{c}}', '{{d}}']\ngold: '0'\n"
    )

    class Lines(Knows):
        def answer(self, requests):
            for index, request in enumerate(requests):
                lines = request.choices[0].split("\n\n")[0].split("\n")[1:]
                noise = np.random.default_rng(index).normal(0, 1)
                known = [line[0] for line in lines] == list("xyzw")
                yield index, Response(logprobs=(noise + self.bonus * known,))

    assert order_test(Lines(bonus=3.0), "./b.yaml", test="options").p < 0.001
    assert order_test(Lines(bonus=0.0), "./b.yaml", test="options").p > 0.01
    with pytest.raises(UserError, match="test"):
        order_test(Lines(), "./b.yaml", test="letters")


def test_what_cannot_be_tested_is_said(bench, tmp_path):
    with pytest.raises(UserError, match="gives no log-likelihoods"):
        order_test(Knows(ranks=False), bench)
    with pytest.raises(UserError, match="would get the file as a chat; give"):
        order_test(Knows(chat=True), bench)
    for orders in (0, -1, 1000):
        with pytest.raises(UserError, match="from 1 to 999"):
            order_test(Knows(), bench, orders=orders)
    (tmp_path / "rows.jsonl").write_text('{"q": "What?", "a": "that"}\n' * 6)
    with pytest.raises(UserError, match="the test wants 5 or more"):
        order_test(Knows(), bench)


def test_a_model_that_fails_ends_in_one_line(bench):
    class Fails(Knows):
        def answer(self, requests):
            for index, _ in enumerate(requests):
                yield index, Response(error="no echo")

    with pytest.raises(UserError, match="gives no log-likelihood of a whole text: no echo"):
        order_test(Fails(), bench)


def test_the_command(evalh):
    words = ("contamination", "tiny_exam", "--data", "sample", "--orders", 1)
    said = evalh(*words, "--template", "none", "--json")
    assert said.code == 0, said.err
    assert 0 < said.json["p"] <= 1
    for bad in ((), ("--model", "echo"), ("--template", "none", "--orders", 0)):
        found = evalh(*words, *bad)
        assert found.code == 2, found
        assert len([line for line in found.err.splitlines() if "warning" not in line]) == 1
