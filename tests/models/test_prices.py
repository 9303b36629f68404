"""What models cost: the user's word, else a provider's page; nothing is guessed."""

import json

import pytest

from evalharness import plugins
from evalharness.models import _prices

TABLE = json.loads(_prices._TABLE.read_text())["endpoints"]


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "k")
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def prices(spec, **options):
    return plugins.load_model(spec, options).prices


def test_every_price_has_a_page_a_day_and_two_numbers():
    for address, entry in TABLE.items():
        assert address.startswith("https://") and entry["source"].startswith("https://") and entry["read"] >= "2026"
        assert all(0 < low <= high for low, high in entry["models"].values())


@pytest.mark.parametrize(
    ("spec", "options", "wanted"),
    [
        ("openai:gpt-4o-mini", {}, (0.15, 0.6)),
        ("openai:gpt-4o-mini-2024-07-18", {}, (0.15, 0.6)),
        ("openai:gpt-4o-2024-05-13", {}, (5.0, 15.0)),
        ("anthropic:claude-haiku-4-5-20251001", {}, (1.0, 5.0)),
        ("gemini:gemini-3.5-flash", {}, (1.5, 9.0)),
        ("openai:gpt-4o-mini", {"price_in": 7, "price_out": 9}, (7, 9)),
        ("openai:gpt-4o-mini", {"price_in": 0, "price_out": 0}, (0, 0)),
        ("openai:gpt-4o-mini", {"price_out": 9}, (0.15, 9)),
        ("openai:gpt-4o-mini", {"base_url": "http://localhost:1/v1"}, None),
        ("openai:gpt-4o-mini-audio", {}, None),
        ("openai:gpt-9", {}, None),
        ("openai:gpt-9", {"price_in": 1}, None),
    ],
)
def test_what_a_model_costs(spec, options, wanted):
    assert prices(spec, **options) == wanted


def test_a_run_says_which_page_was_believed():
    said = plugins.load_model("openai:gpt-4o-mini", {}).describe()["prices"]
    assert said == [0.15, 0.6, f"{TABLE['https://api.openai.com/v1']['source']}, 2026-03"]
    assert "prices" not in plugins.load_model("openai:gpt-4o-mini", {"price_in": 1, "price_out": 1}).describe()
