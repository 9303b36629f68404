"""A benchmark's words beside paraphrases of them: exact where neither is known, sharp where one is."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from evalharness.errors import DataError, UserError
from evalharness.evidence.paraphrases import word_scores, words_test
from evalharness.records import Response


@dataclass
class Remembers:
    """A model that knows some texts by heart: it goes on with them, and expects each of their words."""

    seen: tuple[str, ...] = ()
    chat: bool = False
    ranks: bool = True
    name: str = "remembers"
    fingerprint: str = "remembers"
    shown: tuple[str, ...] = ()

    def describe(self):
        return {}

    def answer(self, requests):
        for index, request in enumerate(requests):
            prefix = request.messages[-1].content
            text = next((one for one in self.seen if one.startswith(f"{prefix} ")), f"{prefix} something else")
            yield index, Response(text=text[len(prefix) :])

    def token_scores(self, texts):
        for text in texts:
            noise = np.random.default_rng(sum(map(ord, text))).normal(0, 1, 20)
            yield (noise + 3 * (text in self.seen)).tolist()


class Plain(Remembers):
    token_scores = None


def own(i):
    return f"What would the number {i} be called by most of the people here?\nthe {i}th\nnone\nthe {i}th"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"key": f"k{i}", "q": own(i).partition("\n")[0], "a": f"the {i}th"} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "bench.yaml").write_text(
        "source: rows.jsonl\nid: key\ntemplate: '{{q}}'\nchoices: ['{{a}}', 'none']\ngold: '0'\n"
    )
    lines = [{"id": f"k{i}", "question": f"{word} do most people here call the number {i}?"} for i in range(40)
             for word in ("How", "What")]  # fmt: skip
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[0]]))
    return "./bench.yaml", tmp_path / "words.jsonl"


@pytest.mark.parametrize("test", ["mink", "completion"])
def test_words_that_are_known_are_found_and_others_not(bench, test):
    found = words_test(Remembers(tuple(map(own, range(40)))), *bench, test=test)
    assert found.p < 0.001
    assert found.advantage > 1
    assert (found.questions, found.paraphrases) == (40, 2)
    assert words_test(Remembers(), *bench, test=test).p > 0.01
    assert words_test(Remembers(tuple(map(own, range(40)))), *bench, test=test) == found


def test_the_p_value_is_exact_where_neither_form_is_known():
    alarms = 0
    for seed in range(300):
        texts = [[f"{seed} a {i}", f"{seed} b {i}"] for i in range(12)]
        from evalharness.stats.exchangeability import p_first_is_largest

        alarms += p_first_is_largest(word_scores(Remembers(), texts, "mink"), seed, draws=199) <= 0.05
    assert alarms <= 27  # 15 expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [("[]", "wanted"), ("{}", "wanted"), ('{"id": "k1", "question": " "}', "wanted"), ("nonsense", "words.jsonl:1"),
     ('{"id": 1, "question": "x"}', "wanted")],
)  # fmt: skip
def test_bad_lines_are_named(bench, line, reason):
    bench[1].write_text(line + "\n")
    with pytest.raises(DataError, match=reason):
        words_test(Remembers(), *bench)


def test_what_cannot_be_tested_is_said(bench, tmp_path, evalh):
    with pytest.raises(UserError, match="as a chat"):
        words_test(Remembers(chat=True), *bench)
    with pytest.raises(UserError, match="does not show its whole distribution"):
        words_test(Plain(), *bench)
    with pytest.raises(UserError, match="cannot be read"):
        words_test(Remembers(), bench[0], tmp_path / "nowhere.jsonl")
    bench[1].write_text('{"id": "k1", "question": "another"}\n')
    with pytest.raises(UserError, match="paraphrases of 1 of the 40 questions"):
        words_test(Remembers(), *bench)
    for words in (("--test", "mink"), ("--paraphrases", bench[1]), ("--test", "order", "--paraphrases", bench[1])):
        said = evalh("contamination", bench[0], "--template", "none", *words)
        assert (said.code, "--paraphrases goes with completion and mink" in said.err) == (2, True), said


def test_the_command_with_the_embedded_model(bench, evalh):
    said = evalh("contamination", bench[0], "--template", "none", "--test", "mink", "--paraphrases", bench[1], "--json")
    assert said.code == 0, said
    assert 0 < said.json["p"] <= 1
    assert np.isfinite(said.json["advantage"])


def test_standard_scores_are_those_of_the_whole_distribution():
    torch = pytest.importorskip("torch")
    from evalharness import tiny
    from evalharness.engine.checkpoint import load_decoder
    from evalharness.engine.surprise import standard_scores

    decoder, ids = load_decoder(tiny.MODEL_FOLDER), list(range(3, 90))
    with torch.inference_mode():
        logs = torch.log_softmax(decoder(torch.tensor([ids[:-1]]))[0].double(), -1)
    mean = (logs.exp() * logs).sum(-1)
    spread = (logs.exp() * (logs - mean[:, None]) ** 2).sum(-1).sqrt()
    wanted = (logs.gather(-1, torch.tensor(ids[1:])[:, None])[:, 0] - mean) / spread
    assert np.allclose(standard_scores(decoder, ids), wanted.numpy(), atol=1e-3)
    assert len(standard_scores(decoder, [1])) == 0
