"""What models cost: the user's word, else a provider's page; nothing is guessed."""

import json
import re
from datetime import date
from urllib.parse import urlsplit

import pytest

from evalharness import plugins
from evalharness.models import _prices
from evalharness.records import Message, Request

TABLE = json.loads(_prices._TABLE.read_text())["endpoints"]


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "k")
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def prices(spec, **options):
    return plugins.load_model(spec, options).prices


PLUGINS = {  # whose own address each table is of, and whose pages may be believed about it
    "https://api.openai.com/v1": ("openai", "openai.com"),
    "https://api.anthropic.com/v1": ("anthropic", "claude.com"),
    "https://generativelanguage.googleapis.com/v1beta": ("gemini", "google.dev"),
}


def test_every_price_has_the_provider_s_own_page_a_month_and_two_numbers():
    assert TABLE.keys() == PLUGINS.keys()
    for address, entry in TABLE.items():
        assert entry.keys() == {"source", "read", "models"} and entry["models"]
        page = urlsplit(entry["source"])
        assert page.scheme == "https" and f".{page.hostname}".endswith(f".{PLUGINS[address][1]}")
        read = date.fromisoformat(f"{entry['read']}-01"[:10])
        assert re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", entry["read"]) and date(2026, 1, 1) <= read <= date.today()
        for model, (low, high) in entry["models"].items():
            assert re.fullmatch(r"[a-z0-9.-]+", model) and 0 < low <= high < 1000, model


def test_every_price_is_found_at_its_provider_s_own_address():
    for address, entry in TABLE.items():
        for model, wanted in entry["models"].items():
            found = plugins.load_model(f"{PLUGINS[address][0]}:{model}", {})
            assert found.prices == tuple(wanted)
            assert found.describe()["prices"][2] == f"{entry['source']}, {entry['read']}"


def test_a_model_that_the_table_does_not_list_says_so(evalh):
    said = evalh("run", "mmlu", "--data", "sample", "--model", "openai:gpt-9", "--max-cost", 1)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "the prices of openai:gpt-9 are not known; give --price-in" in said.err


@pytest.mark.parametrize(
    ("spec", "options", "wanted"),
    [
        ("openai:gpt-4o-mini", {}, (0.15, 0.6)),
        ("openai:gpt-4o-mini-2024-07-18", {}, (0.15, 0.6)),
        ("openai:gpt-4o-2024-05-13", {}, (5.0, 15.0)),
        ("anthropic:claude-haiku-4-5-20251001", {}, (1.0, 5.0)),
        ("anthropic:claude-haiku-4-5", {"base_url": "https://api.anthropic.com"}, (1.0, 5.0)),
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


@pytest.mark.parametrize(
    ("spec", "reply"),
    [
        ("openai:m", {"choices": [{"message": {"content": "A"}, "finish_reason": "stop"}]}),
        ("anthropic:m", {"content": [{"type": "text", "text": "A"}], "stop_reason": "end_turn"}),
        ("gemini:m", {"candidates": [{"content": {"parts": [{"text": "A"}]}, "finishReason": "STOP"}]}),
    ],
)
def test_an_answer_whose_tokens_nobody_counted_has_no_price(spec, reply):
    """At no cost it would pass every budget."""
    model = plugins.load_model(spec, {"price_in": 1, "price_out": 1, "base_url": "http://127.0.0.1:9/v1"})
    found = model.read(Request(messages=(Message("user", "Q"),)), reply)
    assert (found.text, found.cost, found.tokens_in) == ("A", None, 0)


def test_a_run_says_which_page_was_believed():
    said = plugins.load_model("openai:gpt-4o-mini", {}).describe()["prices"]
    assert said == [0.15, 0.6, f"{TABLE['https://api.openai.com/v1']['source']}, 2026-03"]
    assert "prices" not in plugins.load_model("openai:gpt-4o-mini", {"price_in": 1, "price_out": 1}).describe()
