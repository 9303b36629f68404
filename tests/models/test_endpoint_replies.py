"""What comes back: thinking apart from the answer, ends in all words, and replies that were made to do harm."""

import gzip
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from endpoint_profiles import chat, sent
from stub_server import Reply, serve

from evalharness.clients import http
from evalharness.clients.http import RequestError
from evalharness.clients.pool import AttemptError, Retry
from evalharness.clients.refusal import Refusal
from evalharness.errors import UserError
from evalharness.models._contents import finish_of
from evalharness.models._openai_echo import echoed, prompt_scored
from evalharness.models.anthropic import Anthropic
from evalharness.models.gemini import Gemini
from evalharness.models.openai import OpenAI
from evalharness.records import Message, Request, Response, Sample
from evalharness.runs.store import record_to_json
from evalharness.scoring.answers import binary_score, choice, score_response

pytestmark = pytest.mark.usefixtures("http_client")

KEY = "sk-test-0123456789abcdef"
ASKED = Request(messages=(Message("user", "Which?"),))
SAMPLE = Sample(question="Which?", choices=("a", "b", "c", "d"), gold_indices=(3,), answers=("",))


def one(reply, kind=OpenAI, request=ASKED, **options) -> Response:
    with serve(lambda body: reply) as stub:
        retry = Retry(attempts=2, first=0.0)
        model = kind(**{"model": "m", "base_url": stub.url, "key": KEY, "retry": retry, **options})
        ((_, found),) = model.answer([request])
    return found


@pytest.mark.parametrize(
    ("reply", "text", "thinking"),
    [
        (chat("D", reasoning_content="It is A"), "D", "It is A"),
        (chat("D", reasoning="It is A"), "D", "It is A"),
        (chat(None, reasoning_content="It is A"), "", "It is A"),
        (chat([{"type": "text", "text": "The answer"}, {"type": "text", "text": " is D"}]), "The answer is D", ""),
        (chat([{"type": "thinking", "thinking": "A?"}, {"type": "text", "text": "D"}]), "D", "A?"),
        (chat([{"type": "reasoning", "text": "A?"}, {"type": "output_text", "text": "D"}]), "D", "A?"),
        (chat([{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "D"}]), "D", ""),
        (chat("<think>It is A</think>\n\nD"), "D", "<think>It is A</think>\n\n"),
        (chat("It is A\n</think>\n\nD"), "D", "It is A\n</think>\n\n"),
        (chat("The tag `</think>` ends it: D"), "The tag `</think>` ends it: D", ""),
        (chat("<think>It is"), "", "<think>It is"),
        (chat("D"), "D", ""),
    ],
)
def test_thinking_is_kept_apart(reply, text, thinking):
    found = one(reply)
    assert (found.text, found.thinking, found.error) == (text, thinking, "")
    assert ("thinking" in record_to_json(found)) == bool(thinking)


def says_nothing(sample, request, response):
    return binary_score(response.text == "")


@pytest.mark.parametrize("scorer", [choice, says_nothing])
@pytest.mark.parametrize(
    "reply",
    [chat(None, "length", reasoning="The answer is D"), chat("<think>D", "length"), chat("<think>The answer is D")],
)
def test_thinking_that_was_cut_off_is_truncated_whatever_the_right_answer_is(reply, scorer):
    score = score_response(scorer, SAMPLE, ASKED, one(reply))
    assert (score.status, set(score.scores.values()) <= {0.0}) == ("truncated", True)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", "stop"), (None, ""), ("", ""), ("eos_token", "stop"), ("end_turn", "stop"), ("max_tokens", "length"),
        ("MAX_TOKENS", "length"), ("FinishReason.STOP", "stop"), ("model_length", "length"), ("SAFETY", "refused"),
        ("content_filter", "refused"), ("refusal", "refused"), ("content_filter: RECITATION", "refused"),
        ("IMAGE_PROHIBITED_CONTENT", "refused"),
    ],
)  # fmt: skip
def test_ends_are_understood_in_all_words(word, finish):
    assert finish_of(word) == finish


@pytest.mark.parametrize("message", [{"message": None}, {}, {"message": {"role": "assistant"}}])
@pytest.mark.parametrize("finish", ["content_filter", "PROHIBITED_CONTENT", "content_filter: PROHIBITED_CONTENT"])
def test_a_filtered_reply_without_a_message_is_a_refusal(message, finish):
    """As Gemini sends it under the OpenAI protocol."""
    found = one(sent(choices=[{"index": 0, "finish_reason": finish, **message}]))
    assert (found.finish, found.text, found.error) == ("refused", "", "")


def test_an_end_that_says_of_itself_that_it_is_none_is_another_attempt():
    with pytest.raises(AttemptError):
        finish_of("error")
    assert "finish_reason error) (after 2 attempts)" in one(chat("D", "error")).error


@pytest.mark.parametrize(
    "reply",
    [
        chat("D", ["stop"]),
        chat("D", {"a": 1}),
        chat("D", 7),
        chat("D", "because"),
        chat(5),
        chat([5]),
        chat([{"type": "text", "text": 5}]),
        chat("D", reasoning_content=["x"]),
        chat("D", refusal={"a": 1}),
        chat("D", usage={"prompt_tokens": "many"}),
        chat("D", usage={"prompt_tokens": -1}),
        chat("D", usage={"prompt_tokens": True}),
        chat("D", usage={"prompt_tokens": 1e300}),
        chat("D", usage={"completion_tokens": [1]}),
        chat("D", usage={"completion_tokens_details": "x"}),
        chat("D", usage={"completion_tokens_details": {"reasoning_tokens": "x"}}),
        chat("D", usage=["x"]),
        sent(choices=[{"message": None}]),
        sent(choices=[{"message": [1]}]),
        sent(choices=["D"]),
        sent(choices={"0": 1}),
        sent(choices=None),
        sent(choices=[]),
        sent(error={"message": "upstream overloaded"}),
        Reply(raw=b"[1, 2]"),
        Reply(raw=b'"D"'),
        Reply(raw=b"9" * 6000),
        Reply(raw=b"[" * 100_000),
        Reply(raw=b'{"a":' * 90 + b"1" + b"}" * 90),
        Reply(raw=b"<html>\x1b[2J"),
        Reply(raw=b"{", headers={"Content-Encoding": "gzip"}),
        Reply(status=302, headers={"Location": "http://example.org/"}, error="x"),
    ],
)
def test_a_broken_reply_costs_its_item_alone(reply):
    found = one(reply, proven=True)
    assert found.error and found.error.isprintable() and "\n" not in found.error
    assert not found.text


@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_larger_than_any_answer_is_not_read(packed, monkeypatch):
    monkeypatch.setattr(http, "LARGEST_REPLY", 1 << 20)
    whole = json.dumps({"choices": [{"message": {"content": "a" * (3 << 20)}}]}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    found = one(Reply(raw=gzip.compress(whole) if packed else whole, headers=headers), proven=True)
    assert "more than 1 MiB" in found.error


def test_a_redirect_is_named_and_not_followed():
    with serve(lambda body: "never") as other:
        reply = Reply(status=307, headers={"Location": f"{other.url}/chat/completions?key=abcdef"}, error="moved")
        with pytest.raises(UserError, match="no redirect is followed") as raised:
            one(reply)
        assert other.seen == [] and "abcdef" not in str(raised.value) and other.url in str(raised.value)


def test_what_an_endpoint_says_is_printable_and_without_the_key():
    found = one(Reply(status=400, error=f"\x1b]0;owned\x07 {KEY}\u202e {'x' * 290}{KEY}"), proven=True)
    assert found.error.isprintable() and KEY not in found.error and "\\x1b]0;owned\\x07" in found.error
    assert "sk-test" not in found.error


def test_names_that_an_endpoint_makes_up_fill_no_manifest():
    count = iter(range(1000))
    with serve(lambda body: sent(model=f"\x1b{next(count)}", choices=[{"message": {"content": "D"}}])) as stub:
        model = OpenAI(model="m", base_url=stub.url)
        assert len(list(model.answer([ASKED] * 40))) == 40
    assert len(model.served) == 16 and all(name.isprintable() for name in model.served)


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7),
        ({"Retry-After": "0"}, {}, 0),
        ({"retry-after-ms": "250", "Retry-After": "1"}, {}, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}, 0),
        ({"Retry-After": "soon"}, {}, None),
        ({"Retry-After": "9" * 400}, {}, None),
        ({"Retry-After": "-5"}, {}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"}, {}, 62.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "150ms"}, {}, 0.15),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "150ms"}, {}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "12"}, {}, 12),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2020-01-01"}, {}, 0),
        ({}, {"details": [{"retryDelay": "17s"}]}, 17),
        ({}, {"details": [7, {"retryDelay": 5}]}, None),
        ({}, {}, None),
    ],
)  # fmt: skip
def test_how_long_an_endpoint_asks_to_wait(headers, error, seconds):
    assert Refusal(429, headers, {"error": error}).wait() == seconds


@pytest.mark.parametrize(
    ("headers", "rests"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s"}, 62),
        ({"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "30s"}, 30),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1m2s"}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h"}, 0),  # longer than our patience
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0),
        ({"Retry-After": "9"}, 0),  # of an answer that came it says nothing
    ],
)
def test_an_answer_that_says_that_a_quota_is_used_up_makes_the_next_ones_wait(headers, rests):
    with serve(lambda body: Reply(text="D", headers=headers)) as stub:
        model = OpenAI(model="m", base_url=stub.url)
        began = time.monotonic()
        ((_, found),) = model.answer([ASKED])
    assert found.text == "D"
    assert (model.pace.resume_at > began) == bool(rests)
    assert max(0.0, model.pace.resume_at - began) == pytest.approx(rests, abs=20)


def test_an_endpoint_that_says_0_does_not_use_up_the_attempts_at_once(monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    from evalharness.clients import pool

    monkeypatch.setattr(pool.asyncio, "sleep", sleep)
    found = one(Reply(status=500, headers={"Retry-After": "0"}, error="x"), retry=Retry(attempts=4, first=1.0))
    assert "after 4 attempts" in found.error
    assert [at <= wait <= 2 * at for at, wait in zip((0.5, 1.0, 2.0), waited, strict=True)] == [True] * 3


def echo(tokens, values=None, tops=None):
    values = values or [None, *(-1.0 for _ in tokens[1:])]
    return {
        "logprobs": {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": [0] * len(tokens)}
    }


@pytest.mark.parametrize(
    ("tokens", "count"),
    [
        (["Q", ":", " a", " b", "!"], 2),
        (["<s>", "Q", ":", " a", " b", "!"], 2),
        (["", "Q", ":", " a", " b", ""], 2),
        (["<|begin_of_text|>", "Q", ": a", " b", "!"], 2),  # the end of the context and the choice in one token
        (["ĠQ", ":", "Ġa", "Ġb", "!"], 2),
        (["▁Q", ":", "▁a", "▁b", "!"], 2),
    ],
)
def test_tokens_are_matched_to_the_text(tokens, count):
    assert echoed(echo(tokens), "Q:", " a b") == (-1.0 * count, True, count)


def test_characters_in_several_tokens_are_matched():
    assert echoed(echo(["Q", ":", " ", "bytes:\\xc3", "bytes:\\xa9", "!"]), "Q:", " é")[2] == 3
    assert echoed(echo(["Q", ":", " ", "\ufffd", "\ufffd", "t", "!"]), "Q:", " ét")[2] == 4
    assert echoed(echo(["\ufffd", "\ufffd", ":", " a", "!"]), "é:", " a")[2] == 1


@pytest.mark.parametrize(
    "reply",
    [
        {"logprobs": None},
        echo(["Q", ":", " a", " b"]),  # without the generated one
        echo(["Q", ":", " a"]),  # too few
        echo(["!"]),
        echo(["other", " text", "!"]),
        echo(["Q", ":", " a", " b", "!"], [0.0] * 5),
        echo(["Q", ":", " a", " b", "!"], [None, -1.0, None, -1.0, -1.0]),
        echo(["Q", ":", " a", " b", "!"], [None, -1.0, -1.0]),
        echo([1, 2, 3]),
    ],
)
def test_an_echo_that_is_none_is_refused(reply):
    with pytest.raises(UserError, match="truthfully"):
        echoed(reply, "Q:", " a b")


@pytest.mark.parametrize(
    ("context", "choice", "tokens", "count"),
    [
        ("Q:", " Paris x", ["Q", ":", "Paris", "x"], 2),  # SentencePiece's spaces are lost
        ("Q:", " 5", ["Q", ":", "", "5"], 2),  # a space alone is written as nothing
        ("Q: ", "5", ["Q", ":", "", "5"], 1),
        ("Q:", " “é”", ["Q", ":", " ", "", "“", "", "é", "", "”"], 7),  # the parts of a character before its last
        ("“:", "a", ["", "", "“", ":", "a"], 1),
        ("Q:", "“", ["Q", ":", "", "", "“"], 3),
    ],
)
def test_tokens_that_servers_write_without_all_of_their_text_are_matched(context, choice, tokens, count):
    assert echoed(echo([*tokens, "!"]), context, choice)[2] == count
    assert echoed(echo(["<s>", *tokens, "!"]), context, choice)[2] == count


@pytest.mark.parametrize(
    ("context", "choice", "tokens", "count"),
    [
        ("say “", "yes", ["say", " \ufffd", "\ufffd", "yes"], 1),
        ("say", " “yes", ["say", " \ufffd", "\ufffd", "yes"], 3),
        ("say", " “yes", ["say", "", " “", "yes"], 3),
        ("日", "“", ["\ufffd", "\ufffd", "\ufffd", "\ufffd", "\ufffd", "\ufffd"], 3),  # six bytes, a token each
        ("日", "“", ["\ufffd", "\ufffd", "\ufffd", "\ufffd"], 0),  # the border is in one of two tokens
        ("日日", "b", ["", "日日", "b"], 1),
        ("日", "日b", ["", "日日", "b"], 0),
        ("5日", "b 5b", ["5\ufffd", "\ufffdb", " 5", "b"], 3),  # the token over the border is the choice's
        ("a", " x ", ["a", "x", ""], 2),
        ("a ", "x", ["a", "", "x"], 1),
    ],
)
def test_tokens_are_counted_where_it_is_certain_to_which_side_they_belong(context, choice, tokens, count):
    for reply, read in ((echo([*tokens, "!"]), echoed), (scored(*tokens), prompt_scored)):
        if count:
            assert read(reply, context, choice)[2] == count
        else:
            with pytest.raises(RequestError, match="not certain"):
                read(reply, context, choice)


def test_hostile_tokens_cost_no_time():
    """Signs of loss that could stand for anything, in a text of many characters of several bytes."""
    context, began = "é" * 3_000, time.process_time()
    for tokens in (["\ufffdé"] * 1400, ["\ufffd", "é"] * 1400, [""] * 20_000, ["\ufffd"] * 5_000):
        with pytest.raises((UserError, RequestError)):
            echoed(echo([*tokens, "!"]), context, "é")
        with pytest.raises((UserError, RequestError)):
            prompt_scored(scored(*tokens), context, "é")
    assert time.process_time() - began < 20


def scored(*tokens, value=-1.0, best=None):
    """vLLM's `prompt_logprobs` for tokens of which the first has no entry."""
    own = [{"logprob": value, "rank": 2 if best else 1, "decoded_token": token} for token in tokens]
    top = {"logprob": best, "rank": 1, "decoded_token": "zz"}
    return {"prompt_logprobs": [None, *({"5": top, "8": each} if best else {"8": each} for each in own)]}


def test_a_prompt_that_vllm_scored_is_matched_to_the_text():
    assert prompt_scored(scored(":", " a", " b"), "Q:", " a b") == (-2.0, True, 2)
    assert prompt_scored(scored("Q", ":", " a", " b", best=-0.5), "Q:", " a b") == (-2.0, False, 2)
    assert prompt_scored(scored(":", "Ġa", "Ġb", best=-1.0), "Q:", " a b") == (-2.0, True, 2)  # a tie
    assert prompt_scored(scored(": a", " b"), "Q:", " a b") == (-2.0, True, 2)
    assert prompt_scored(scored(" a"), "", " a") == (-1.0, True, 1)  # behind BOS
    odd = {"prompt_logprobs": [None, {"8": {"logprob": -1.0, "rank": 4, "decoded_token": "a"}}]}
    assert prompt_scored(odd, "Q", "a") == (-1.0, False, 1)  # the likeliest is not told


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"prompt_logprobs": None},
        {"prompt_logprobs": [None]},  # vLLM for Metal, which does not fill it
        {"prompt_logprobs": "None"},
        {"prompt_logprobs": [None, [1]]},
        scored(" a"),  # cut off at the end
        scored(" b"),  # cut off at the beginning
        scored("other", " a", " b"),
        scored(":", " a", " b", value=0.0),
        scored(":", " a", " b", value=float("nan")),
        scored(":", " a", " b", value="-1"),
        {"prompt_logprobs": [None, *({"1": {"logprob": -1.0, "rank": 1, "decoded_token": t}, "2": {"logprob": -2.0,
         "rank": 1, "decoded_token": "zz"}} for t in (":", " a", " b"))]},  # nobody knows which is the prompt's
    ],
)  # fmt: skip
def test_a_prompt_that_is_not_scored_is_refused(reply):
    with pytest.raises(UserError, match="prompt_logprobs"):
        prompt_scored(reply, "Q:", " a b")


def test_a_choice_whose_first_token_has_no_score_is_refused():
    with pytest.raises(UserError, match="prompt_logprobs"):
        prompt_scored(scored(" b"), "", "a b")


def test_after_a_truthful_echo_a_broken_one_costs_its_item():
    request = Request(messages=(Message("user", "Q:"),), choices=(" a",))
    reply = Reply(echo=echo(["other", "!"])["logprobs"])
    found = one(reply, request=request, chat=False, echoes=True, proven=True)
    assert "truthfully" in found.error


@pytest.mark.parametrize(
    ("kind", "content", "wanted"),
    [
        (Anthropic, {"content": [], "stop_reason": "refusal"}, ("", "refused", "")),
        (Anthropic, {"content": [{"type": "text", "text": "D"}], "stop_reason": "max_tokens"}, ("D", "length", "")),
        (Anthropic, {"content": "D"}, ("", "", "no list")),
        (Anthropic, {"content": [], "usage": {"input_tokens": "x"}}, ("", "", "usage is odd")),
        (Anthropic, {"type": "error", "error": {"message": "busy"}}, ("", "", "holds no answer")),
        (Gemini, {"promptFeedback": {"blockReason": "SAFETY"}}, ("", "refused", "")),
        (Gemini, {"candidates": [{"finishReason": "SAFETY"}]}, ("", "refused", "")),
        (Gemini, {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}, ("", "length", "")),
        (Gemini, {"candidates": [{"content": {"parts": ["D"]}}]}, ("", "", "content is odd")),
        (Gemini, {"candidates": ["D"]}, ("", "", "candidates are odd")),
        (Gemini, {}, ("", "", "holds no answer")),
    ],
)  # fmt: skip
def test_replies_of_the_others(kind, content, wanted):
    found = one(sent(**content), kind=kind, proven=True)
    assert (
        (found.text, found.finish) == wanted[:2] and wanted[2] in found.error and bool(found.error) == bool(wanted[2])
    )


def test_secrets_of_extra_fields_and_halves_of_keys_are_in_no_message():
    from evalharness.models.openai import OpenAI

    model = OpenAI(model="m", base_url="https://h.example/v1", key="ZZTOPSECRET-KEY-OF-MINE")
    model = replace(model, chosen=replace(model.chosen, extra={"auth": {"api_key": "hunter2secret"}}))
    said = model.clean('bad {"api_key": "hunter2secret"} ' + "x" * 160 + " key ZZTOPSECRET-KEY-OF-MINE")
    assert "hunter2" not in said and "ZZTOP" not in said


def test_an_at_sign_in_a_path_is_no_user_name():
    from evalharness.models._addresses import public

    assert public("https://h.example/v1/@cf/x") == "https://h.example/v1/@cf/x"
    assert public("https://u:p@h.example/v1?key=1") == "https://h.example/v1"


def test_choices_keep_what_was_left_out_and_counted():
    from evalharness.models._choices import _together

    one = Response(logprobs=(-1.0,), greedy=(True,), lengths=(1,), cached_tokens=2, left_out=("temperature",), cost=0.5)
    both = _together([one, one])
    assert (both.left_out, both.cached_tokens, both.cost) == (("temperature",), 4, 1.0)


@pytest.mark.parametrize(
    ("context", "choice", "tokens"),
    [
        ("", " bQ", ["bQ"]),  # behind BOS with its space lost, or behind a token " "
        ("\n", " b", ["b"]),  # the same, behind "\n" or "\n "
        ("  ", "  ", [" ", " "]),
        ("  ", " A", [" ", "A"]),  # "  " and " A" behind BOS, or " " and "A" behind a first token "  "
        (" a", "🙂", ["🙂"]),  # the first token may hold the character's first bytes
        (":.", "日", [":.日"]),  # the same, where the server writes a character with its last part
    ],
)
def test_where_the_first_token_may_reach_into_the_choice_no_prompt_logprobs_are_believed(context, choice, tokens):
    with pytest.raises(RequestError, match="not certain"):
        prompt_scored(scored(*tokens), context, choice)


@pytest.mark.parametrize(
    ("context", "choice", "tokens"),
    [
        ("a  ", "b 本", ["a", " ", "", "b 本"]),  # the token of nothing is a space, or a part of the character
        ("▁ ", " 本", ["▁", " ", "", "本"]),  # one of two spaces was lost, and which is not told
    ],
)
def test_a_lost_space_and_a_token_of_nothing_beside_it_are_not_guessed_at(context, choice, tokens):
    with pytest.raises(RequestError, match="not certain"):
        echoed(echo([*tokens, "!"]), context, choice)


def test_random_prompts_are_never_read_wrong():
    """perf/echo_fuzz.py has the cases and runs more of them."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "perf"))
    import echo_fuzz

    found, wrong = echo_fuzz.hold(2_000, seed=1)
    assert not wrong, wrong[:3]
    assert all(found[f"{shape} right"] > 1_000 for shape in ("echo", "prompt_logprobs", "input_token_logprobs"))
