"""Training: one loss however it is cut up, resumed bit by bit, and stopped where a number is none."""

from __future__ import annotations

import copy
import importlib.util
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from closeness import BAR, BAR_TRAINED, apart, furthest, near

from evalharness.engine.matmul import onednn_matmul
from evalharness.errors import UserError
from evalharness.training import checkpointing, losses
from evalharness.training import step as train
from evalharness.training.config import TrainingConfig, factor
from evalharness.training.encoding import pack_examples
from evalharness.training.step import Material, Training

_spec = importlib.util.spec_from_file_location("training_support", Path(__file__).parent / "support.py")
assert _spec is not None
support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(support)  # type: ignore[union-attr]
SETTINGS = TrainingConfig(epochs=2, batch=16, lr=3e-4, products="plain", weight_decay=0.1)


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in training.weights.items()}


def trained(settings: TrainingConfig, raw: dict = support.LLAMA, count: int = 48) -> dict[str, torch.Tensor]:
    training = Training(support.decoder(raw), Material(train=support.examples(count)), settings)
    while training.step < training.steps:
        training.advance()
    return weights(training)


@pytest.mark.parametrize("raw", [support.LLAMA, support.GPT2], ids=["llama", "gpt2"])
def test_accumulation_does_not_change_the_weights(raw: dict) -> None:
    whole = trained(SETTINGS, raw)
    for micro in (4, 1):
        parts = trained(replace(SETTINGS, micro=micro), raw)
        assert furthest(parts, whole) < (BAR_TRAINED,)


def test_recomputing_layers_and_routes_of_products_do_not_change_the_weights() -> None:
    whole = trained(SETTINGS, support.GPT2)
    for settings in (replace(SETTINGS, recompute=True), replace(SETTINGS, products="onednn")):
        training = Training(support.decoder(support.GPT2), Material(train=support.examples(48)), settings)
        train.choose_matmul(training.decoder, settings)
        while training.step < training.steps:
            training.advance()
        assert furthest(training.weights, whole) < (BAR_TRAINED,)


def test_the_products_have_the_gradients_of_torch_s_own() -> None:
    for transposed in (False, True):
        x = torch.randn(7, 12, requires_grad=True)
        w = torch.randn(*((12, 5) if transposed else (5, 12)), requires_grad=True)
        b, g = torch.randn(5, requires_grad=True), torch.randn(7, 5)
        ours = torch.autograd.grad(onednn_matmul(x, w, b, transposed), (x, w, b), g)
        theirs = torch.autograd.grad(torch.nn.functional.linear(x, w.T if transposed else w, b), (x, w, b), g)
        for mine, right in zip(ours, theirs, strict=True):
            assert apart(mine, right) < BAR


@pytest.mark.parametrize("raw", [support.LLAMA, support.GPT2], ids=["llama", "gpt2"])
def test_packed_rows_give_the_logits_of_each_row_alone(raw: dict) -> None:
    made, rows = support.decoder(raw), support.examples(6)
    batch = pack_examples(rows)
    with torch.no_grad():
        together = losses.negative_log_likelihoods(made, batch)
        alone = torch.cat([losses.negative_log_likelihoods(made, pack_examples([row])) for row in rows])
        for row in rows:
            logits = made(torch.tensor([row.ids[:-1]]))[0]
            labels = torch.tensor(row.labels)
            right = torch.nn.functional.cross_entropy(logits, labels, reduction="none")[labels != -100]
            mine = losses.negative_log_likelihoods(made, pack_examples([row]))
            assert apart(mine, right) < BAR
    assert apart(together, alone) < BAR


@pytest.mark.parametrize("raw", [support.LLAMA, support.GPT2], ids=["llama", "gpt2"])
@pytest.mark.parametrize("all_tokens", [False, True])
def test_a_common_beginning_has_the_gradient_of_all_its_rows(raw: dict, all_tokens: bool) -> None:
    made, frame = support.decoder(raw), tuple(support.examples(1)[0].ids[:7])
    rows = [
        replace(row, ids=frame + row.ids, trained=(all_tokens,) * len(frame) + row.trained)
        for row in support.examples(6)
    ]
    assert len(pack_examples(rows).ids) < sum(len(row.ids) - 1 for row in rows)
    found = []
    for batches in ([rows], [[row] for row in rows]):
        made.zero_grad()
        total = sum(losses.cross_entropy(made, batch) for batch in batches)
        total.backward()
        found.append((float(total.detach()), {name: weight.grad.clone() for name, weight in made.named_parameters()}))
    assert found[0][0] == pytest.approx(found[1][0], rel=BAR)
    assert furthest(found[0][1], found[1][1]) < (BAR,)


def test_a_batch_without_labels_adds_exactly_nothing() -> None:
    made = support.decoder()
    bare = [replace(row, trained=(False,) * len(row.ids)) for row in support.examples(2)]
    assert float(losses.cross_entropy(made, bare)) == 0.0


def test_interrupted_five_times_the_weights_are_bitwise_the_same(tmp_path: Path) -> None:
    settings = replace(SETTINGS, batch=4, clip=1.0)
    right = trained(settings)
    chance = random.Random(5)
    stops = sorted(chance.sample(range(1, 23), 5))
    training = Training(support.decoder(), Material(train=support.examples(48)), settings)
    while training.step < training.steps:
        training.advance()
        if training.step in stops:
            checkpointing.save_state(training.state(), tmp_path / "state.pt")
            training.validate()
            training = Training(support.decoder(seed=9), Material(train=support.examples(48)), settings)
            training.restore(checkpointing.load_state(tmp_path / "state.pt"))
    assert all(torch.equal(right[name], weight) for name, weight in training.weights.items())


def test_a_loss_that_is_no_number_stops_and_names_the_rows() -> None:
    training = Training(support.decoder(), Material(train=support.examples(8)), replace(SETTINGS, batch=2, lr=1e-3))
    training.advance()
    before = weights(training)
    with torch.no_grad():
        training.decoder.blocks[0].part("self_attn.q_proj").weight[0, 0] = float("nan")  # type: ignore[union-attr]
    with pytest.raises(UserError, match=r"not a number at step 2 .* rows \d+, \d+"):
        training.advance()
    assert training.step == 1
    assert before.keys() == training.weights.keys()


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state.pt"
    checkpointing.save_state({"step": 1}, file)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match=r"No space left on device.*is intact"):
        checkpointing.save_state({"step": 2}, file)
    assert checkpointing.load_state(file)["step"] == 1
    assert [f.name for f in tmp_path.iterdir()] == ["state.pt"]
    file.write_bytes(b"junk")
    with pytest.raises(UserError, match="not a saved training"):
        checkpointing.load_state(file)


def test_preference_pairs_move_apart_from_zero() -> None:
    rows = support.examples(16)
    worse = support.examples(16, seed=3)
    pair = Material(train=rows, worse=worse, validation=rows[:4], worse_validation=worse[:4])
    training = Training(support.decoder(), pair, replace(SETTINGS, loss="dpo", epochs=4, batch=4, lr=1e-3))
    training.prepare_reference()
    first = training.validate()
    answers = [*rows[:4], *worse[:4]]
    size = float(losses.answer_log_likelihoods(training.decoder, answers, average=False).detach().abs().max())
    assert first["loss"] == near(math.log(2), 0.1 * size)  # rewards are beta times log-likelihoods
    assert first["margin"] == near(0.0, 0.1 * size)
    while training.step < training.steps:
        training.advance()
    assert training.validate()["margin"] > 0.1


def test_bfloat16_learns_too() -> None:
    training = Training(
        support.decoder(), Material(train=support.examples(16)), replace(SETTINGS, dtype="bfloat16", epochs=6)
    )
    losses_seen = [training.advance().loss for _ in range(training.steps)]
    assert losses_seen[-1] < losses_seen[0]


def test_the_schedule_is_a_function_of_the_step() -> None:
    settings = TrainingConfig(warmup=0.1, schedule="linear")
    values = [factor(settings, step, 100) for step in range(100)]
    assert values[9] == 1.0
    assert values[0] == pytest.approx(0.1)
    assert values == sorted(values[:10]) + sorted(values[10:], reverse=True)
    assert factor(replace(settings, schedule="constant"), 99, 100) == 1.0


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"lr": -1.0}, {"schedule": "cosin"}, {"loss": "ppo"}, {"dtype": "int8"}, {"warmup": 1.0}]
)
def test_settings_that_make_no_sense(wrong: dict) -> None:
    with pytest.raises(UserError):
        TrainingConfig(**wrong).check()


def test_state_is_not_shared_with_a_copy() -> None:
    training = Training(support.decoder(), Material(train=support.examples(8)), SETTINGS)
    kept = copy.deepcopy(training.state()["weights"])
    training.advance()
    assert any(not torch.equal(kept[n], w) for n, w in training.weights.items())
