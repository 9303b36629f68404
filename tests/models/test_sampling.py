"""How a local model's tokens are drawn: what the user says, what its own generation_config.json says, and that it is
recorded; nothing said is greedy."""

import json
import shutil

import pytest

from evalharness.errors import UserError
from evalharness.events import Told, observed_by
from evalharness.models.local import open_model
from evalharness.options import LocalOptions
from evalharness.records import Message, Request

OWN = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1}


@pytest.fixture
def chat(llama, tmp_path):
    folder = shutil.copytree(llama, tmp_path / "chat")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    (folder / "generation_config.json").write_text(json.dumps({**OWN, "eos_token_id": 399}))
    return folder


def opened(folder, **options):
    return open_model(str(folder), LocalOptions(threads=1, **options))


def text(model, **fields):
    request = Request(messages=(Message("user", "Which of these birds"),), max_tokens=24, **fields)
    return next(iter(dict(model.answer([request])).values())).text


def test_nothing_said_is_greedy_and_it_is_told_what_the_checkpoint_wants(chat):
    told = []
    with observed_by(told.append):
        model = opened(chat)
    assert [event.text for event in told if isinstance(event, Told)] == [
        f"local:{chat} is made to be asked with top_k 20, min_p 0.05, repetition_penalty 1.1, temperature 0.6, "
        "top_p 0.9 (its generation_config.json); checkpoint_sampling does so"
    ]
    assert "sampling" not in model.describe()
    assert text(model, seed=1) == text(model, seed=2)


def test_the_checkpoint_s_own_sampling_is_recorded(chat):
    model, greedy = opened(chat, checkpoint_sampling=True), opened(chat)
    assert model.describe()["sampling"] == {key: OWN[key] for key in OWN if key != "do_sample"}
    assert model.fingerprint != greedy.fingerprint
    assert text(model, seed=1) != text(model, seed=2)
    assert text(model, seed=1) == text(model, seed=1)
    mine = opened(chat, checkpoint_sampling=True, top_k=3, min_p=0)
    assert mine.describe()["sampling"] == {"repetition_penalty": 1.1, "temperature": 0.6, "top_p": 0.9, "top_k": 3}


def test_what_the_user_says_counts(llama):
    plain, first = opened(llama), opened(llama, top_k=1)
    assert text(first, temperature=3.0) == text(plain)  # the likeliest token alone
    assert text(opened(llama, min_p=1.0), temperature=3.0) == text(plain)
    assert text(plain, temperature=3.0) != text(plain)
    assert first.fingerprint != plain.fingerprint and first.describe()["sampling"] == {"top_k": 1}
    assert text(opened(llama, repetition_penalty=50.0)) != text(plain)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"do_sample": True, "temperature": -1}, "temperature wants a number from 0"),
        ({"do_sample": True, "top_p": "much"}, "could not convert"),
        ({"do_sample": True, "min_p": 2}, "min_p wants a number from 0 to 1"),
        ({"do_sample": True, "top_k": [1]}, "generation_config.json"),
        ({"repetition_penalty": 0}, "repetition_penalty wants"),
    ],
)
def test_odd_values_are_one_line(own, said, chat):
    (chat / "generation_config.json").write_text(json.dumps(own))
    with pytest.raises(UserError, match=said) as found:
        opened(chat)
    assert "\n" not in str(found.value)


def test_odd_options_are_one_line(llama):
    with pytest.raises(UserError, match="min_p wants a number from 0 to 1; there is 3"):
        opened(llama, min_p=3.0)
