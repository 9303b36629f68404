"""Every reader of foreign bytes, on bytes of any kind: a value, or one UserError of one line, and nothing else."""

import asyncio
import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalharness.clients.http import FilteredError, HttpReply, RequestError
from evalharness.clients.pool import AttemptError
from evalharness.comparison import baseline
from evalharness.data import files, yaml_lines
from evalharness.errors import UserError
from evalharness.models._recorded_answers import AnswerKeys
from evalharness.models.anthropic import Anthropic
from evalharness.models.gemini import Gemini
from evalharness.models.openai import OpenAI
from evalharness.models.replay import Replay
from evalharness.records import Message, Request, Response
from evalharness.runs import cache_file
from evalharness.runs.journal import Journal
from evalharness.runs.store import Run, record_to_json, result_from_json
from evalharness.text import visible

CASES = 1_500  # in the heavier tests; `python perf/fuzz.py` has ten thousand
TEXTS = st.text(max_size=8) | st.sampled_from(["\ud800", "", "0", "stop"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=6), of, max_size=3), max_leaves=6
)


def seeds() -> dict[str, list[bytes]]:
    """Good files of each kind, to be bent."""
    result = {
        "benchmark": "b", "id": "0", "status": "correct", "scores": {"accuracy": 1.0}, "answer": "A", "repeat": 0,
        "response": {"text": "A", "logprobs": [-1.0], "top_logprobs": [["a", -1.0]], "finish": "stop", "tokens_in": 3},
        "sample": {"question": "Q", "choices": ["a"], "gold": [0]}, "detail": {"a": [1]},
        "request": {"messages": [{"role": "user", "content": "Q"}], "stop": ["\n"]},
        "verdicts": [{"judge": "j", "kind": "score", "value": 0.5}],
    }  # fmt: skip
    group = {"benchmark": "b", "metric": "accuracy", "group": "", "status": "cw", "numbered": 2, "values": [1, 0]}
    header = {"evalh_baseline": 1, "name": "a", "manifest": {"benchmarks": {}}, "summary": {"benchmarks": {}}}
    kept = json.dumps(group, sort_keys=True, separators=(",", ":"))
    likely = {"token": "a", "top_logprobs": [{"token": "a", "logprob": -1.0}]}
    echoed = {"tokens": ["a", "b"], "token_logprobs": [None, -1.0], "text_offset": [0, 1], "top_logprobs": [None, {}]}
    choice = {"message": {"content": "hi", "refusal": None}, "text": "ab", "finish_reason": "stop"}
    choice["logprobs"] = {"content": [likely], **echoed}
    reply = {"model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2}, "choices": [choice]}
    reply["usage"] |= {"completion_tokens_details": {"reasoning_tokens": 1}, "prompt_tokens_details": None}
    choice["message"] |= {"reasoning_content": "so", "content": [{"type": "text", "text": "hi"}]}
    refusal = {"error": {"message": "no", "code": "insufficient_quota", "type": "x"}}
    detail = {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}
    claude = {"content": [{"type": "thinking", "thinking": "so"}, {"type": "text", "text": "hi"}], "usage": {
        "input_tokens": 1, "output_tokens": 2}, "stop_reason": "end_turn"}  # fmt: skip
    gemini = {"candidates": [{"content": {"parts": [{"text": "so", "thought": True}, {"text": "hi"}]},
        "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}, "promptFeedback": {}}  # fmt: skip
    tensors = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    sealed = json.dumps({**header, "sha256": baseline._digest(header, [kept])})
    answer = {name: value for name, value in asdict(Response(text="a", logprobs=(-1.0,))).items() if name != "cached"}
    logged = {"doc_id": 0, "doc": {"question": "Q", "choices": ["a"]}, "resps": [[["-1.0", "False"]]],
              "arguments": {"gen_args_0": {"arg_0": "Q", "arg_1": "a"}}, "messages": [{"role": "user", "content": "Q"}],
              "output": [{"type": "text", "text": "a"}], "epoch": 1}  # fmt: skip
    return {
        "replay": [
            b'{"id": "0", "text": "a", "tokens_in": 1, "logprobs": [-1.0]}\n',
            json.dumps(logged).encode(),
            json.dumps(result).encode(),
            json.dumps(reply | {"id": 1}).encode(),
        ],
        "replayed_object": [b'{"0": "a", "1": "b"}', b'{"id": [0, 1], "text": ["a", "b"]}'],
        "replayed_table": [b"id,choices,text,repeat\n0,\"['a', 'b']\",x,1\n1,,\"y\nz\",2\n"],
        "replayed_log": [archive({"id": 0, "epoch": 1, "input": "Q", "output": {"completion": "a"}})],
        "journal": [json.dumps(result).encode() + b"\n"],
        "baseline": [f"{sealed}\n{kept}\n".encode()],
        "cache": [json.dumps(answer).encode()],
        "reply": [json.dumps(each).encode() for each in (reply, refusal, detail, claude, gemini)],
        "yaml": [b"a: 1\nb: [x, {c: 2.5}]\nd: |\n  text\ne: !!python/name:os\nf: &x 1\ng: 2024-01-01\n"],
        "safetensors": [struct.pack("<Q", len(tensors)) + tensors + b"\0" * 4],
        "parquet": [parquet({"a": [1, 2], "b": ["x", None]}), parquet({"a": [[1], []], "c": [{"d": "e"}, None]})],
    }


def archive(sample: dict) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("samples/0_epoch_1.json", json.dumps(sample))
    return into.getvalue()


def parquet(columns: dict) -> bytes:
    import pyarrow
    import pyarrow.parquet

    into = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), into)
    return into.getvalue()


@st.composite
def bent(draw, kind: str) -> bytes:
    """A good file with bytes changed, cut, doubled; or a JSON value in its place; or anything."""
    how = draw(st.integers(0, 9))
    if how == 0:
        return draw(st.binary(max_size=200))
    if how <= 3 and kind in ("replay", "replayed_object", "journal", "baseline", "cache", "reply"):
        return changed(draw, json.loads(draw(st.sampled_from(SEEDS[kind])).splitlines()[-1]))
    data = bytearray(draw(st.sampled_from(SEEDS[kind])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8) | st.sampled_from(SPICE))
    return bytes(data)


SPICE = [b"[" * 3000, b"9" * 5000, b'"', b"{", b"}", b"\xff", b"\0", b"null", b"NaN", b"-1e999", b"\\ud800", b"!!x "]


def changed(draw, value: object) -> bytes:
    """A JSON value with something else at one of its places."""
    where, held = [], value
    while isinstance(held, dict | list) and held and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(held) if isinstance(held, dict) else range(len(held))))
        where.append((held, key))
        held = held[key]
    new = draw(VALUES)
    if not where:
        value = new
    else:
        where[-1][0][where[-1][1]] = new
    return json.dumps(value).encode() + b"\n"


SEEDS = seeds()


class Reply:
    """A connection over which an endpoint sends this, whatever it is asked."""

    def __init__(self, body: bytes, status: int) -> None:
        self.reply = HttpReply(status, {"Retry-After": body[:20].decode("latin-1")}, body)

    async def post(self, body: bytes) -> HttpReply:
        return self.reply


def read_replay(path: Path) -> None:
    Replay(path, AnswerKeys())


def replayed_as(suffix: str) -> Callable[[Path], None]:
    return lambda path: read_replay(path.rename(path.with_suffix(suffix)))


def read_journal(path: Path) -> None:
    run = Run(path.parent)
    (path.parent / "results.jsonl").write_bytes(path.read_bytes() + b"\n")
    try:
        run.results()
    except UserError:
        with Journal(path.parent / "results.jsonl") as journal:
            journal.set_aside(result_from_json)
        run.results()


def read_baseline(path: Path) -> None:
    baseline.read_baseline(path)


def read_cache(path: Path) -> None:
    for value in (path.read_bytes(), path.read_bytes().decode("utf-8", "replace")):
        assert cache_file.kept_response(value) is None or isinstance(cache_file.kept_response(value), Response)


def read_reply(path: Path) -> None:
    where = {"model": "m", "base_url": "http://127.0.0.1", "proven": True}
    writing = Request(messages=(Message("user", "a"),), temperature=1.0, top_logprobs=3, stop=("x",) * 6)
    ranking = Request(messages=(Message("user", "a"),), choices=("b",))
    for status in (200, 302, 400, 429):
        for model, request in (
            (OpenAI(**where), writing),
            (OpenAI(**where, chat=False), writing),
            (OpenAI(**where, chat=False), ranking),
            (Anthropic(**where), writing),
            (Gemini(**where), writing),
        ):
            try:
                found = asyncio.run(model.ask(Reply(path.read_bytes(), status), request))
                assert record_to_json(found) is not None
            except (AttemptError, RequestError, FilteredError, UserError) as error:
                said = model.clean(str(error))  # shown and never obeyed: what stays has no control over a terminal
                assert visible.printable(said) == said and "\n" not in said


def read_yaml(path: Path) -> None:
    yaml_lines.parsed(path)


def read_safetensors(path: Path) -> None:
    from evalharness.engine.checkpoint import header

    header(path)


def read_parquet(path: Path) -> None:
    list(files.parquet(path))


READERS: dict[str, Callable[[Path], None]] = {
    "replay": read_replay, "journal": read_journal, "baseline": read_baseline, "cache": read_cache, "reply": read_reply,
    "yaml": read_yaml, "safetensors": read_safetensors, "parquet": read_parquet,
    "replayed_object": replayed_as(".json"), "replayed_table": replayed_as(".csv"),
    "replayed_log": replayed_as(".eval"),
}  # fmt: skip


def hold(kind: str, folder: Path, cases: int) -> None:
    path = folder / "file.jsonl"

    checks = {"suppress_health_check": list(HealthCheck), "deadline": None, "database": None, "derandomize": True}

    @settings(max_examples=cases, **checks)
    @given(bent(kind))
    def reads(data: bytes) -> None:
        path.write_bytes(data)
        try:
            READERS[kind](path)
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 3000

    reads()


@pytest.mark.parametrize("kind", READERS)
def test_bytes_of_any_kind_are_a_value_or_one_line(tmp_path, kind):
    hold(kind, tmp_path, 60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_many_of_them(tmp_path, kind):
    hold(kind, tmp_path, CASES)


def test_what_is_bent_is_good_before(tmp_path):
    assert cache_file.kept_response(SEEDS["cache"][0].decode()) is not None
    assert result_from_json(json.loads(SEEDS["journal"][0])).benchmark == "b"
    for kind in ("replay", "replayed_object", "replayed_table", "replayed_log", "baseline", "safetensors", "parquet"):
        for seed in SEEDS[kind]:
            (tmp_path / "f.jsonl").write_bytes(seed)
            READERS[kind](tmp_path / "f.jsonl")
