"""Log-probabilities of a prompt's tokens, in the shapes that servers give them: which of them are the choice's."""

import sys
import time
from pathlib import Path

import pytest

from evalharness.clients.http import RequestError
from evalharness.errors import UserError
from evalharness.models._openai_echo import echoed, prompt_scored


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


def test_random_prompts_are_never_read_wrong():
    """perf/echo_fuzz.py has the cases and runs more of them."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "perf"))
    import echo_fuzz

    found, wrong = echo_fuzz.hold(2_000, seed=1)
    assert not wrong, wrong[:3]
    assert all(found[f"{shape} right"] > 1_000 for shape in ("echo", "prompt_logprobs", "input_token_logprobs"))
