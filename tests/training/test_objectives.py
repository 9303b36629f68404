"""Losses that compare answers are those of their papers and have TRL's values; noise and replay are functions of the
seed."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import BAR, BAR_TRAINED, apart, furthest, near

from evalharness.engine.decoder import Decoder
from evalharness.errors import UserError
from evalharness.training import checkpointing, losses, objectives, replay
from evalharness.training.config import LOSSES, TrainingConfig, factor
from evalharness.training.encoding import EncodedExample, pack_examples
from evalharness.training.step import Material, Training

_spec = importlib.util.spec_from_file_location("training_support", Path(__file__).parent / "support.py")
assert _spec is not None
support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(support)  # type: ignore[union-attr]

GOOD = {"a": tuple(i % 3 != 0 for i in range(12)), "b": tuple(i % 3 == 0 for i in range(12))}


def reward_size(loss: str, beta: float, rows: Any, now: Decoder | None = None) -> float:
    """The largest term of a reward: what rounds the margins, and the losses that are made of them."""
    found = [likelihood(now or support.moved(), row) for row in rows]
    return beta * max(abs(total) / (count if loss in ("orpo", "simpo") else 1) for total, count in found)


def training_of(material: Material, **settings: Any) -> Training:
    """A training whose one step has all rows in order, from weights that have moved since the reference was taken."""
    made = Training(support.decoder(), material, TrainingConfig(batch=64, lr=1e-3, epochs=1, **settings))
    made.schedule[0] = sorted(made.schedule[0])
    made.prepare_reference()
    with torch.no_grad():
        for weight, moved in zip(made.decoder.parameters(), support.moved().parameters(), strict=True):
            weight.copy_(moved)
    return made


def likelihood(decoder: Decoder, example: EncodedExample) -> tuple[float, int]:
    """log p of the learned tokens, one by one in 64 bits, and their number."""
    with torch.no_grad():
        table = decoder(torch.tensor([example.ids]))[0].double().log_softmax(-1)
    at = [i for i, learned in enumerate(example.trained) if learned]
    return sum(float(table[i - 1, example.ids[i]]) for i in at), len(at)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def by_the_papers(loss: str, better: Any, worse: Any, good: Any, beta: float, gamma: float) -> tuple[float, float]:
    """The loss and the margin of rewards of a batch, as the papers' equations have them."""
    now, before = support.moved(), support.decoder()
    p, q = ([likelihood(now, row) for row in rows] for rows in (better, worse))
    p0, q0 = ([likelihood(before, row)[0] for row in rows] for rows in (better, worse))
    if loss == "kto":
        return kto_by_the_paper(better, good, [a - b for (a, _), b in zip(p, p0, strict=True)], beta)
    n = len(better)
    if loss == "dpo":
        rewards = [beta * ((p[i][0] - p0[i]) - (q[i][0] - q0[i])) for i in range(n)]
        return sum(-math.log(sigmoid(r)) for r in rewards) / n, sum(rewards) / n
    means = [(a / na, b / nb) for (a, na), (b, nb) in zip(p, q, strict=True)]
    margin = sum(beta * (a - b) for a, b in means) / n
    if loss == "simpo":
        return sum(-math.log(sigmoid(beta * (a - b) - gamma)) for a, b in means) / n, margin
    if loss == "orpo":
        odds = [[math.exp(m) / (1 - math.exp(m)) for m in pair] for pair in means]
        ratio = sum(-math.log(sigmoid(math.log(good_ / bad))) for good_, bad in odds) / n
        return -sum(a for a, _ in p) / sum(count for _, count in p) + beta * ratio, margin
    raise AssertionError(loss)


def kto_by_the_paper(rows: Any, good: Any, rewards: list[float], beta: float) -> tuple[float, float]:
    now, before, n = support.moved(), support.decoder(), len(rows)
    strangers = []
    for i, row in enumerate(rows):
        other = rows[i - 1]
        prompt, answer = row.ids[: row.trained.index(True)], other.ids[other.trained.index(True) :]
        mixed = EncodedExample(row=0, ids=prompt + answer, trained=(False,) * len(prompt) + (True,) * len(answer))
        strangers.append(likelihood(now, mixed)[0] - likelihood(before, mixed)[0])
    z = max(0.0, sum(strangers) / n)
    values = [sigmoid(beta * (r - z)) if g else sigmoid(beta * (z - r)) for r, g in zip(rewards, good, strict=True)]
    sides = [[beta * r for r, g in zip(rewards, good, strict=True) if g == side] for side in (True, False)]
    return sum(1 - value for value in values) / n, sum(sides[0]) / len(sides[0]) - sum(sides[1]) / len(sides[1])


def material_for(loss: str, prompt: int, labels: str = "a") -> Material:
    better, worse = support.pairs(12, seed=prompt, prompt=prompt)
    return Material(train=better, good=GOOD[labels]) if loss == "kto" else Material(train=better, worse=worse)


@pytest.mark.parametrize(
    ("loss", "beta", "gamma", "prompt", "labels"),
    [("dpo", 0.5, 1.0, 0, "a"), ("orpo", 0.1, 1.0, 0, "a"), ("orpo", 0.5, 1.0, 1, "a"), ("simpo", 3.0, 0.5, 0, "a"),
     ("kto", 0.1, 1.0, 0, "b"), ("kto", 0.5, 1.0, 0, "a"), ("kto", 0.5, 1.0, 1, "b")],
)  # fmt: skip
def test_losses_and_margins_are_those_of_the_papers(
    loss: str, beta: float, gamma: float, prompt: int, labels: str
) -> None:
    material = material_for(loss, prompt, labels)
    step = training_of(material, loss=loss, beta=beta, gamma=gamma).advance()
    wanted, margin = by_the_papers(loss, material.train, material.worse, material.good, beta, gamma)
    size = reward_size(loss, beta, (*material.train, *material.worse))
    assert (step.loss, step.margin) == (near(wanted, max(wanted, size)), near(margin, size))


# By trl 1.16.0 (torch 2.13, transformers 5.23) from the same weights and tokens: DPOTrainer's and KTOTrainer's
# _compute_loss, ORPOTrainer and CPOTrainer(loss_type="simpo").get_batch_loss_metrics. The first number is the prompts'
# length (0: several). TRL's ORPO learns the prompts too, ours the answers: with prompts of one token that is the same.
TRL = [
    ("dpo", 0, {}, 0.6972877979, 0.0075783669, 7 / 12), ("dpo", 0, {"beta": 0.5}, 0.8478782773, 0.0378918052, 7 / 12),
    ("dpo", 1, {}, 0.7085475922, -0.0209737439, 5 / 12), ("orpo", 1, {}, 6.4794802666, 0.0151381493, 7 / 12),
    ("orpo", 1, {"beta": 0.5}, 6.7668280602, 0.0756908059, 7 / 12),
    ("simpo", 0, {}, 1.5243781805, -0.0086141424, 7 / 12),
    ("simpo", 0, {"beta": 3.0, "gamma": 0.5}, 1.4512205124, -0.0129212542, 7 / 12),
    ("simpo", 1, {}, 1.4058176279, 0.3027632236, 7 / 12),
    ("kto", 0, {}, 0.5104739666, -0.0906610619, None), ("kto", 0, {"beta": 0.5}, 0.5502800941, -0.4533053041, None),
    ("kto", 1, {}, 0.4873112440, 0.1121041328, None), ("kto", 1, {"beta": 0.5}, 0.4557328224, 0.5605206490, None),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "prompt", "settings", "value", "margin", "accuracy"), TRL)
def test_losses_margins_and_accuracies_are_trl_s(
    loss: str, prompt: int, settings: dict[str, float], value: float, margin: float, accuracy: float | None
) -> None:
    material = material_for(loss, prompt)
    made = training_of(material, loss=loss, **settings)
    size = reward_size(loss, made.settings.resolved().beta or 0.0, (*material.train, *material.worse))
    step = made.advance()
    assert (step.loss, step.margin) == (near(value, max(value, size)), near(margin, size))
    if accuracy is not None:  # TRL says none for KTO
        assert step.accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "sft"])
def test_a_step_is_the_same_however_it_is_cut_up(loss: str) -> None:
    found = []
    for micro in (0, 5, 1):
        made = training_of(material_for(loss, 0), loss=loss, micro=micro)
        found.append((made.advance(), {name: weight.detach().clone() for name, weight in made.weights.items()}))
    whole, beta = found[0][0], TrainingConfig(loss=loss).resolved().beta or 0.0
    material = material_for(loss, 0)
    size = reward_size(loss, beta, (*material.train, *material.worse))
    for step, weights in found[1:]:
        assert (step.loss, step.margin) == (near(whole.loss, max(whole.loss, size)), near(whole.margin, size))
        assert furthest(weights, found[0][1]) < (BAR_TRAINED,)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "sft"])
def test_what_is_liked_gains_and_validation_says_so(loss: str) -> None:
    better, worse = support.pairs(16)
    checked = {"validation": better[:6], "worse_validation": worse[:6]}
    material = Material(train=better, worse=worse, **checked)
    if loss == "kto":
        labels = (True, False) * 16
        both = tuple(answer for pair in zip(better, worse, strict=True) for answer in pair)
        material = Material(train=both, good=labels, validation=both[:6], good_validation=labels[:6])
    made = Training(support.decoder(), material, TrainingConfig(loss=loss, batch=8, lr=2e-3, epochs=8))
    made.prepare_reference()
    before = made.validate()
    steps = [made.advance() for _ in range(made.steps)]
    after = made.validate()
    assert after["loss"] < before["loss"] and after["margin"] > before["margin"] and after["accuracy"] > 0.8
    assert (steps[-1].accuracy or 0) > 0.8
    if loss in ("dpo", "kto"):
        size = reward_size(loss, 0.1, (*better, *worse), support.decoder())
        assert before["loss"] == near(math.log(2) if loss == "dpo" else 0.5, size)
        assert before["margin"] == near(0.0, size)


def test_kto_is_resumed_bit_by_bit_and_needs_no_margin(tmp_path: Path) -> None:
    better, _ = support.pairs(13)
    settings = TrainingConfig(loss="kto", batch=4, lr=1e-3, epochs=2)  # the last batch of an epoch has one row
    good = tuple(i % 2 == 0 for i in range(13))
    made = Training(support.decoder(), Material(train=better, good=good), settings)
    made.prepare_reference()
    for step in range(made.steps):
        if step == 3:
            checkpointing.save_state(made.state(), tmp_path / "state.pt")
        alone = made.advance()
        assert (alone.margin is None) == (alone.trained == 1)
    again = Training(support.decoder(seed=5), Material(train=better, good=good), settings)
    again.restore(checkpointing.load_state(tmp_path / "state.pt"))
    while again.step < again.steps:
        again.advance()
    assert all(torch.equal(made.weights[name], weight) for name, weight in again.weights.items())


def test_an_unrelated_answer_fits_into_the_context() -> None:
    row = EncodedExample(row=1, ids=tuple(range(10)), trained=(False,) * 7 + (True,) * 3)
    other = EncodedExample(row=2, ids=tuple(range(20, 26)), trained=(False, True, True, False, True, True))
    (made,) = objectives.mismatched([row], [other], 9)
    assert made.ids == (3, 4, 5, 6, 21, 22, 23, 24, 25)
    assert made.trained == (False,) * 4 + (True, True, False, True, True)


def test_odds_of_near_certain_answers_are_finite() -> None:
    certain = torch.tensor([-1e-12, -1e-4, -30.0], requires_grad=True)
    found = objectives.odds_ratio_losses(certain, torch.tensor([-2.0, -2.0, -2.0]))
    found.sum().backward()
    found = found.detach()
    assert found.isfinite().all() and certain.grad is not None and certain.grad.isfinite().all()
    x = -1e-4
    wanted = math.log1p(math.exp(-(x - math.log(-math.expm1(x)) + 2 + math.log(-math.expm1(-2)))))
    assert float(found[1]) == pytest.approx(wanted, rel=1e-4)


def test_defaults_are_the_loss_s_own() -> None:
    rates = {loss: TrainingConfig(loss=loss).rate(200_000_000) for loss in LOSSES}
    assert rates == pytest.approx({"sft": 5e-5, "dpo": 5e-7, "orpo": 5e-6, "simpo": 5e-7, "kto": 5e-7})
    assert TrainingConfig(loss="dpo").rate(1_000_000) == pytest.approx(7e-6)
    assert TrainingConfig(loss="dpo", lr=1e-4).rate(1_000_000) == 1e-4
    chosen = {loss: TrainingConfig(loss=loss).resolved() for loss in LOSSES}
    assert {loss: made.warmup for loss, made in chosen.items()} == {
        "sft": 0.03, "dpo": 0.1, "orpo": 0.1, "simpo": 0.1, "kto": 0.1,
    }  # fmt: skip
    assert [chosen[loss].beta for loss in ("dpo", "kto", "orpo", "simpo")] == [0.1, 0.1, 0.1, 2.0]
    said = TrainingConfig(loss="simpo", warmup=0.0, beta=0.3, gamma=0.0)
    assert said.resolved() == said
    assert {made.gamma for made in chosen.values()} == {1.0}
    assert factor(TrainingConfig(loss="dpo"), 9, 100) == 1.0 > factor(TrainingConfig(loss="dpo"), 8, 100)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("name", "value"), [("beta", 0.1), ("gamma", 1.0), ("gamma", 0.0), ("dpo_average", True)])
def test_an_option_of_another_loss_is_refused(loss: str, name: str, value: Any) -> None:
    used = {"beta": LOSSES[1:], "gamma": ("simpo",), "dpo_average": ("dpo",)}[name]
    made = TrainingConfig(loss=loss, **{name: value})
    made.check()
    if loss in used:
        made.check_used()
        return
    with pytest.raises(UserError, match=rf"{name} does nothing with loss={loss}; leave it out, or say loss=\w+"):
        made.check_used()


@pytest.mark.parametrize(
    "wrong", [{"beta": 0.0}, {"beta": -1.0}, {"gamma": -1.0}, {"neftune": -1.0}, {"neftune": 5.0, "loss": "dpo"}]
)
def test_settings_of_losses_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        TrainingConfig(**wrong).check()


def test_noise_is_as_large_as_the_paper_says_and_a_function_of_its_seed() -> None:
    noise = losses.EmbeddingNoise(5.0, ["1/0/0", "1/0/1"])
    drawn = noise.drawn([40, 10], 64)
    for part, length in ((drawn[:40], 40), (drawn[40:], 10)):
        most = 5.0 / math.sqrt(length * 64)
        assert 0.95 * most < float(part.abs().max()) <= most
        assert abs(float(part.mean())) < 0.1 * most
    assert torch.equal(noise.drawn([40, 10], 64), drawn)
    assert torch.equal(losses.EmbeddingNoise(5.0, ["1/0/1"]).drawn([10], 64), drawn[40:])


def test_noise_is_added_to_the_embeddings_in_training_alone() -> None:
    decoder, rows = support.decoder(), support.examples(3)
    batch = pack_examples(rows, apart=True)
    noise = losses.EmbeddingNoise(5.0, ["a", "b", "c"])
    drawn = noise.drawn(batch.lengths, 32)
    together = losses.cross_entropy(decoder, rows, noise)
    alone = sum(
        float(losses.cross_entropy(decoder, [row], losses.EmbeddingNoise(5.0, [s])).detach())
        for row, s in zip(rows, "abc", strict=True)
    )
    assert float(together.detach()) == pytest.approx(alone, rel=BAR)
    row = rows[0]
    with torch.no_grad():
        plain = losses.negative_log_likelihoods(decoder, pack_examples([row]))
        noisy = losses.negative_log_likelihoods(decoder, pack_examples([row]), drawn[: len(row.ids) - 1])
        alike = losses.negative_log_likelihoods(decoder, pack_examples([row]), torch.zeros(len(row.ids) - 1, 32))
    assert torch.equal(plain, alike)
    assert apart(plain, noisy) > 1e-3
    quiet = Training(support.decoder(), Material(train=rows, validation=rows), TrainingConfig(neftune=5.0))
    assert (
        quiet.validate()
        == Training(support.decoder(), Material(train=rows, validation=rows), TrainingConfig()).validate()
    )


def test_with_noise_a_step_is_the_same_however_it_is_cut_up_and_resumed(tmp_path: Path) -> None:
    settings = TrainingConfig(neftune=5.0, batch=8, lr=3e-4, epochs=2)
    found = []
    for changed in (settings, replace(settings, micro=3), replace(settings, neftune=0.0)):
        made = Training(support.decoder(), Material(train=support.examples(16)), changed)
        while made.step < made.steps:
            made.advance()
            if made.step == 2 and changed is settings:
                checkpointing.save_state(made.state(), tmp_path / "state.pt")
        found.append({name: weight.detach() for name, weight in made.weights.items()})
    assert furthest(found[1], found[0]) < (BAR_TRAINED,)
    assert furthest(found[2], found[0]) > (10 * BAR_TRAINED,)
    again = Training(support.decoder(seed=5), Material(train=support.examples(16)), settings)
    again.restore(checkpointing.load_state(tmp_path / "state.pt"))
    while again.step < again.steps:
        again.advance()
    assert all(torch.equal(found[0][name], weight) for name, weight in again.weights.items())


def test_general_rows_join_every_epoch_in_turn() -> None:
    rows = support.examples(30)
    made = Training(
        support.decoder(), Material(train=rows[:20], general=rows[20:], replayed=4), TrainingConfig(epochs=5, batch=6)
    )
    epochs = [made.schedule[i : i + 4] for i in range(0, 20, 4)]
    seen = [[i for batch in epoch for i in batch] for epoch in epochs]
    assert all(sorted(i for i in epoch if i < 20) == list(range(20)) for epoch in seen)
    assert all(sum(i >= 20 for i in epoch) == 4 for epoch in seen)
    met = [i for epoch in seen for i in epoch if i >= 20]
    assert sorted(met) == sorted(2 * list(range(20, 30)))  # 20 draws of 10 rows: each twice
    assert (
        list(replay.drawn_in(0, 10, 4, 1)) == list(replay.drawn_in(0, 10, 4, 1)) != list(replay.drawn_in(0, 10, 4, 2))
    )
    alone = Training(support.decoder(), Material(train=rows[:20]), TrainingConfig(epochs=5, batch=6))
    assert (
        alone.schedule
        == Training(
            support.decoder(), Material(train=rows[:20], general=rows[20:]), TrainingConfig(epochs=5, batch=6)
        ).schedule
    )
    assert made.advance().tokens == sum(len(rows[i].ids) for i in made.schedule[0])


@pytest.mark.parametrize("said", ["x.jsonl", "x.jsonl:", "x.jsonl:0", "x.jsonl:1", "x.jsonl:1.5", ":0.1", "x.jsonl:no"])
def test_a_replay_wants_data_and_a_share(said: str) -> None:
    with pytest.raises(UserError, match=r"replay wants DATA:SHARE"):
        replay.parse_replay(said)
    assert replay.parse_replay("owner/name:train_sft:0.25") == ("owner/name:train_sft", 0.25)


WINDOW = {**support.LLAMA, "model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 5}


@pytest.mark.parametrize("raw", [support.LLAMA, support.GPT2, WINDOW], ids=["llama", "gpt2", "window"])
def test_what_a_packed_row_says_does_not_reach_the_others(raw: dict) -> None:
    """Rows with a common beginning and without: other tokens in one leave the others' losses alone."""
    made, frame = support.decoder(raw), tuple(range(50, 58))
    rows = [replace(row, ids=frame + row.ids, trained=(False,) * 8 + row.trained) for row in support.examples(4)]
    rows += support.examples(3, seed=7)
    for changed in range(len(rows)):
        other = replace(rows[changed], ids=rows[changed].ids[:9] + tuple((i + 1) % 300 for i in rows[changed].ids[9:]))
        found = []
        for row in (rows[changed], other):
            batch = pack_examples([*rows[:changed], row, *rows[changed + 1 :]])
            each = losses.negative_log_likelihoods(made, batch)
            found.append(each[batch.owners != changed].detach())
        assert apart(found[0], found[1]) < BAR
