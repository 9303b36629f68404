"""What a user says with every request is sent, part of the fingerprint where it decides answers, and leaks nothing."""

import hashlib
import json
from pathlib import Path

import pytest
from endpoint_profiles import anthropic, chat, gemini
from stub_server import Reply, serve

from evalharness import plugins
from evalharness.errors import UserError
from evalharness.events import Warned, observed_by
from evalharness.records import Message, Request
from evalharness.runs.surroundings import command

pytestmark = pytest.mark.usefixtures("http_client")

KEY = "sk-test-0123456789abcdef"
LOCAL = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def opened(spec="openai:m", **options):
    return plugins.load_model(spec, {"base_url": LOCAL, **options})


def asked(spec, reply, **options):
    messages = (
        Message("system", "The benchmark's."),
        Message("user", "Q"),
        Message("assistant", "A"),
        Message("user", "R"),
    )
    with serve(reply) as stub:
        model = opened(spec, base_url=stub.url, **options)
        ((_, found),) = model.answer([Request(messages=messages, stop=("\n\n",))])
    assert not found.error
    return stub


CHOSEN = {"system": "Be brief.", "reasoning_effort": "Low", "top_k": 5, "extra": '{"generationConfig": {"x": 1}}'}


def test_openai_is_told_all_of_it():
    stub = asked("openai:m", lambda body: chat("A"), **CHOSEN)
    (body,) = stub.seen
    assert body["messages"][0] == {"role": "system", "content": "Be brief.\n\nThe benchmark's."}
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]
    assert (body["reasoning_effort"], body["top_k"], body["generationConfig"]) == ("low", 5, {"x": 1})
    assert "top_p" not in body and "seed" not in body and body["temperature"] == 0


def test_the_others_are_told_in_their_own_words():
    def claude(body):
        body = {name: value for name, value in body.items() if name not in ("top_k", "output_config")}
        return anthropic(body)

    (body,) = asked("anthropic:m", claude, **{**CHOSEN, "extra": None}).seen
    assert body["system"] == "Be brief.\n\nThe benchmark's." and len(body["messages"]) == 3
    assert (body["top_k"], body["output_config"]) == (5, {"effort": "low"})
    (body,) = asked("gemini:m", gemini, **CHOSEN).seen
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief.\n\nThe benchmark's."}]
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    assert body["generationConfig"] == {
        "temperature": 0.0, "maxOutputTokens": 256, "stopSequences": ["\n\n"], "topK": 5, "x": 1,
        "thinkingConfig": {"thinkingLevel": "low"},
    }  # fmt: skip


def test_a_system_prompt_may_stand_in_a_file(tmp_path):
    (tmp_path / "prompt.txt").write_text("From a file.\n")
    assert opened(system=str(tmp_path / "prompt.txt")).chosen.system == "From a file."
    assert opened(system="~nobody says " + "x" * 5000).chosen.system.startswith("~nobody")
    with pytest.raises(UserError, match="there is no such file"):
        opened(system=str(tmp_path / "prmpt.txt"))


def test_what_changes_answers_is_part_of_the_fingerprint_and_nothing_else_is(monkeypatch):
    monkeypatch.setenv("SECRET", "hush-hush")
    plain = opened()
    # As it was in version 0.1.0, whose runs and kept answers are gone on with.
    assert plain.fingerprint == hashlib.sha256(f"{LOCAL}/chat/completions\nm".encode()).hexdigest()
    others = [opened(**{name: value}).fingerprint for name, value in CHOSEN.items()]
    assert len({plain.fingerprint, *others}) == 5
    versions = [opened(base_url=f"{LOCAL}{more}").fingerprint for more in ("", "?api-version=1", "?api-version=2")]
    assert set(versions) == {plain.fingerprint} == {opened(header=("X-A=SECRET",)).fingerprint}
    assert opened(extra='{"a": 1, "b": 2}').fingerprint == opened(extra=' {"b":2,"a":1}').fingerprint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"extra": "{"}, "extra wants a JSON object"),
        ({"extra": "[1]"}, "extra wants a JSON object; there is list"),
        ({"extra": '{"messages": []}'}, "extra cannot set messages"),
        ({"extra": '{"stream": true}'}, "extra cannot set stream"),
        ({"header": ("X-A",)}, "header wants NAME=ENVVAR"),
        ({"header": ("X-A=hush hush",)}, "header wants NAME=ENVVAR"),
        ({"header": ("X A=SECRET",)}, "header wants NAME=ENVVAR"),
        ({"header": ("X-A=NOT_THERE",)}, "the environment has no NOT_THERE"),
        ({"header": ("X-A=SPLIT",)}, "characters that no header has"),
        ({"top_k": 0}, "top_k wants a whole number, 1 or more"),
        ({"reasoning_effort": "very much"}, "reasoning_effort wants a word"),
        ({"rank_by": "score"}, "rank_by wants echo, prompt_logprobs or generate"),
        ({"rank_by": "prompt_logprobs"}, "rank_by=prompt_logprobs does nothing without template=none"),
        (
            {"rank_by": "prompt_logprobs", "template": "none", "batch_api": True},
            "rank_by=prompt_logprobs does nothing with batch_api",
        ),
        ({"system": "x", "template": "none"}, "system does nothing with template=none"),
        ({"base_url": "http://x:99999999/v1"}, "wanted an address"),
        ({"base_url": "ftp://x"}, "wanted an address"),
        ({"base_url": "http://user:hush hush@x/v1"}, "wanted an address"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options, says, monkeypatch):
    monkeypatch.setenv("SPLIT", "a\nb")
    monkeypatch.setenv("SECRET", "x")
    with pytest.raises(UserError) as raised:
        opened(**options)
    assert says in str(raised.value) and "hush" not in str(raised.value)


def test_secrets_in_addresses_headers_and_fields_are_sent_and_never_shown(evalh, monkeypatch):
    monkeypatch.setenv("GATEWAY", "gateway-hush")
    secrets = ("hush-hush", "userhush", "passhush", "gateway-hush", "fieldhush", KEY)

    def reply(body):
        assert body["api_key"] == "fieldhush"
        if len(stub.seen) < 3:
            return chat("A")
        return Reply(status=400, error=" ".join(secrets))

    with serve(reply) as stub:
        address = stub.url.replace("http://", "http://userhush:passhush@") + "?token=hush-hush"
        said = evalh(
            "run", "mmlu", "--data", "sample", "--limit", 6, "--model", "openai:m", "--base-url", address, "--header",
            "X-Gateway=GATEWAY", "--extra", '{"api_key": "fieldhush", "max_tokens": 7}', "--json",
        )  # fmt: skip
    assert said.code == 3, said.err
    assert {body["path"] for body in stub.seen} == {"/v1/chat/completions?token=hush-hush"}
    assert {headers["x-gateway"] for headers in stub.headers} == {"gateway-hush"}
    assert stub.seen[0]["authorization"].startswith("Basic ") and stub.seen[0]["max_tokens"] == 7
    kept = b"".join(p.read_bytes() for p in Path("runs").rglob("*") if p.is_file()).decode(errors="replace")
    for secret in secrets[:4] + secrets[5:]:
        assert secret not in kept + said.out + said.err, secret
    manifest = json.loads((Path(said.json["run"]) / "run.json").read_text())
    assert manifest["model"]["extra"] == {"api_key": "***", "max_tokens": 7}
    assert "fieldhush" not in json.dumps(manifest)


@pytest.mark.parametrize("key", ["", KEY])
def test_a_password_in_the_address_that_is_not_accepted_is_said_to_be_that(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with serve(lambda body: Reply(status=401, error="no")) as stub:
        address = stub.url.replace("http://", "http://userhush:passhush@")
        with pytest.raises(UserError, match="the user name and password in the address, or") as raised:
            list(opened(base_url=address).answer([Request(messages=(Message("user", "Q"),))]))
    assert "hush" not in str(raised.value) and "OPENAI_API_KEY" not in str(raised.value)


def test_the_command_that_is_recorded_has_no_secret_and_keeps_what_is_none():
    fields = '{"max_tokens": 3, "auth_token": "hu\\"sh", "k": "v"}'
    address = "https://u:p@x/v1?api-version=2024-06-01&sig=hush"
    shown = command(
        ["evalh", "--base-url", address, "--max-tokens", "9", "--extra", fields, "openai:m@http://x/v1?hush"]
    )
    assert "hush" not in " ".join(shown) and 'sh"' not in " ".join(shown)
    assert shown[2] == "https://***@x/v1?api-version=2024-06-01&sig=***"
    assert shown[6] == '{"max_tokens": 3, "auth_token": "***", "k": "v"}' and shown[4] == "9"


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        ("http://gateway.example/v1", True),
        ("http://10.0.0.7:8000/v1", True),
        ("https://gateway.example/v1", False),
        ("http://127.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://localhost/v1", False),
    ],
)
def test_a_key_in_the_open_to_another_machine_is_worth_a_word(address, warns, monkeypatch):
    heard = []
    with observed_by(heard.append):
        opened(base_url=address)
        monkeypatch.delenv("OPENAI_API_KEY")
        opened(base_url=address)
    said = [event.text for event in heard if isinstance(event, Warned)]
    assert len(said) == warns and all("plain http" in text for text in said)


AZURE = "https://x.openai.azure.com"


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (f"{AZURE}/openai/deployments/d?api-version=1", "/openai/deployments/d/chat/completions?api-version=1"),
        (f"{AZURE}/openai/deployments/d/chat/completions?api-version=1", "/d/chat/completions?api-version=1"),
        (f"{AZURE}/openai/v1/", "/openai/v1/chat/completions"),
        ("https://x.services.ai.azure.com/openai/v1?api-version=preview", "/v1/chat/completions?api-version=preview"),
    ],
)
def test_both_forms_of_azure(address, path, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    model = opened(base_url=address)
    assert model.place.url(model.path).endswith(path) and model.auth() == {"api-key": "azure-key"}
    assert "api-version" not in json.dumps(model.describe())
    assert opened().auth() == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("anthropic:", "needs the name of a model"),
        ("gemini:", "needs the name of a model"),
        ("anthropic:m", "set ANTHROPIC_API_KEY"),
        ("gemini:m", "set GEMINI_API_KEY"),
    ],
)
def test_names_and_keys_of_the_others(spec, says, monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=says):
        plugins.load_model(spec, {})
    assert plugins.load_model("gemini:models/m", {"base_url": LOCAL}).model == "m"
    with pytest.raises(UserError, match="takes no option template"):
        plugins.load_model("anthropic:m", {"template": "none"})


def test_a_key_that_gemini_does_not_know_is_one_line():
    error = {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}
    with serve(lambda body: Reply(status=400, error=error)) as stub:
        model = opened("gemini:m", base_url=stub.url)
        with pytest.raises(UserError, match="GEMINI_API_KEY or GOOGLE_API_KEY is not accepted"):
            list(model.answer([Request(messages=(Message("user", "Q"),))]))
