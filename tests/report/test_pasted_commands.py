"""Commands that are shown are meant to be pasted: names with blanks and quotes stay one word."""

import shlex

from evalharness.report.numbers import dollars, money


def test_the_next_command_is_one_that_a_shell_takes(evalh, tmp_path):
    name = "my run's $HOME"
    said = evalh("run", "gsm8k", "--model", "echo", "--data", "sample", "--name", name)
    assert said.code == 0, said.err
    shown = said.out.strip().splitlines()[-1].partition("(evalh ")[2].removesuffix(")")
    words = shlex.split(shown)
    assert words == ["show", f"runs/{name}", "--wrong"]
    assert evalh(*words).code == 0


def test_small_amounts_keep_their_digits_and_unknown_ones_are_a_dash():
    shown = {None: "–", 0.0: "$0.00", 0.004: "$0.0040", 0.00000123: "$0.0000012", 0.019: "$0.02", 12.3: "$12.30"}
    assert {value: money(value) for value in shown} == shown
    assert dollars(0.0099999) == "0.0100"


def test_a_cost_that_nobody_knows_is_not_shown_as_nothing(evalh):
    from stub_server import Reply, serve

    silent = b'{"choices": [{"message": {"content": "1"}, "finish_reason": "stop"}]}'
    with serve(lambda body: Reply(raw=silent)) as stub:
        words = ("run", "gsm8k", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--no-cache")
        said = evalh(*words, "--name", "silent", "--price-in", 1, "--price-out", 1)
        assert said.code == 0 and "$" not in said.out, "it did not say how many tokens it took"
    with serve(lambda body: Reply(text="1", tokens=(10, 5))) as stub:
        words = ("run", "gsm8k", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--no-cache")
        assert "$" not in evalh(*words, "--name", "a").out
        said = evalh(*words, "--name", "b", "--price-in", 0.001, "--price-out", 0.001)
        assert "$0.000000075" in said.out, said.out
