"""What the final answer is: without thinking, channels and control tokens, in every scorer; marks in code are code."""

import pytest
from processor_time import processor_seconds

from evalharness import plugins
from evalharness.judging.cases import answer_of
from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.scoring.answers import score_response
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.judge_replies import Scale, read_verdict
from evalharness.scoring.thinking_marks import is_mark, opened_thinking

ASKED = Request(messages=(Message("user", "?"),))
PAIRS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<reasoning>", "</reasoning>"),
    ("◁think▷", "◁/think▷"),
    ("<THINK>", "</THINK>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<mm:think>", "</mm:think>"),
    ("<think:6124c78e>", "</think:6124c78e>"),
    ("<think:opensource>", "</think:opensource>"),
    ("<think_fast>", "</think_fast>"),
    ("<ifm|think_faster>", "</ifm|think_faster>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<cot>", "</cot>"),
    ("<CoT>", "</CoT>"),
    ("<rationale>", "</rationale>"),
    ("<chain-of-thought>", "</chain-of-thought>"),
    ("<thinking_process>", "</thinking_process>"),
    ("<|think|>", "<|/think|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|thinking|>", "</|thinking|>"),
    ("<|think:start|>", "<|think:end|>"),
    ("<|thought_begin|>", "<|thought_end|>"),
    ("<|reasoning_start|>", "<|reasoning_end|>"),
    ("<|begin_of_reasoning|>", "<|end_of_reasoning|>"),
    ("<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("<unused94>thought", "<unused95>"),
    ("<unused94>", "<unused95>"),
    ("[unused16]", "[unused17]"),
    ("<|channel>thought", "<channel|>"),
    ("<|channel>analysis", "<channel|>"),
    ("<|think|>", "<|end|><|begin|>assistant<|content|>"),
    ("<|content_thinking|>", "<|end_message|><|message_model|><|content_text|>"),
    ("<|thinking|>", "<|output|>"),
    ("[THOUGHT]", "[/THOUGHT]"),
    ("[REASONING]", "[/REASONING]"),
    ("[BEGIN_OF_THOUGHT]", "[END_OF_THOUGHT]"),
    ("<ctrl94>thought", "<ctrl95>"),
    ("<ctrl94>", "<ctrl95>"),
    ("<think_never_used_51bce0c785ca2f68081bfa7d91973934>", "</think_never_used_51bce0c785ca2f68081bfa7d91973934>"),
    ("<scratch_pad>", "</scratch_pad>"),
]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('<details type="reasoning" done="true">\n<summary>Thought for 3 s</summary>\n> A\n</details>\nD', "D"),
        ("<details type='reasoning'>A</details>D", "D"),
        ("D\n<details><summary>More</summary>A</details>", "D\n<details><summary>More</summary>A</details>"),
        ("[Reasoning]\nA is wrong.\n[Answer]\nD", "[Reasoning]\nA is wrong.\n[Answer]\nD"),
        ("[REASONING]\nA is wrong.\n[ANSWER]\nD", "[REASONING]\nA is wrong.\n[ANSWER]\nD"),
        ("<think:6124c78e>A</think:6124c78e><answer:6124c78e>D</answer:6124c78e>", "D"),
        ("<think>A</think>\n<answer>\nD", "D"),
        ("The <answer> tag.", "The <answer> tag."),
    ],
)
def test_details_headings_and_answer_tags(text, answer):
    assert final_answer(text).text == answer
    assert not final_answer(text).cut


def test_reasoning_details_that_never_end_are_no_answer():
    assert final_answer('<details type="reasoning">A') == ("", ('<details type="reasoning">',), True)


@pytest.mark.parametrize(("opens", "closes"), PAIRS)
def test_thinking_is_set_apart_and_its_marks_are_recorded(opens, closes):
    assert final_answer(f"{opens}\nThe answer is A{closes}\n\nD") == ("D", (opens, closes), False)
    assert final_answer(f"The answer is A{closes}D") == ("D", (closes,), False)  # the template opened it
    assert final_answer(f"{opens}\nThe answer is A") == ("", (opens,), True)
    assert final_answer(f"D {opens} hm, A?{closes} is it.").text == "D  is it."
    assert final_answer(f"{opens}\nThe answer is A{closes}\n<|im_end|>").text == ""
    for quoted in (f"`{opens}` and `{closes}`", f"```\n{opens}A{closes}\n```", f"~~~\n{opens}\nA\n{closes}\n~~~\nD",
                   f'text.split("{closes}")', f"    x = y  # up to {closes}"):  # fmt: skip
        assert final_answer(f"The marks:\n{quoted}\nend") == (f"The marks:\n{quoted}\nend", (), False)
    assert is_mark(opens) or is_mark(opens.split(">")[0] + ">")
    assert opened_thinking(f"<|im_start|>assistant\n{opens}\n") == opens


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("plain", "plain"),
        ("<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>final<|message|>D", "D"),
        ("<|channel|>analysis<|message|>A?", ""),
        ("analysisWe need A.assistantfinalD", "D"),
        ("analysisWe need A.", ""),
        ("analysis of the case", "analysis of the case"),
        ("Here is my thought process:\nA?\nHere is my response:\nD", "D"),
        ("<think>a<think>b</think>c</think>D", "D"),
        ("<think>a</think>b</think>D", "D"),
        ("<think>a <think> b</think>D", "D"),
        ("<seed:think>a<seed:cot_budget_reflect>b</seed:cot_budget_reflect></seed:think>D", "D"),
        ("<think>The tag `</think>` ends it. A.</think>D", "D"),
        ("<think>```python\nnever closed\n</think>\nD", "D"),
        ("```python\ntry\n</think>\n```python\nx = 1\n```", "```python\nx = 1\n```"),
        ("<think></think>\n    return 1", "    return 1"),
        ("D<|im_end|>", "D"),
        ("D</s>", "D"),
        ("    return 1<|endoftext|>\nclass X", "    return 1"),
        ("<|im_start|>assistant\n<think>x</think>D<|im_end|>\n<|im_start|>user", "D"),
        ("<answer>D</answer>", "D"),
        ("<|channel>thought\nA?<channel|>D<turn|>", "D"),
        ("<|channel>thought\n<channel|>D", "D"),
        ("<|turn>model\n<|channel>thought\nA?<channel|>D<turn|>\n<|turn>user\nB", "D"),
        ("<|channel>thought\nA?<channel|><|channel>final\nD", "D"),
        ("<|channel>analysis<|message|>A?<|end|><|start|>assistant<|channel>final<|message|>D", "D"),
        ("<|channel>analysis<|message|>A?", ""),
        ("<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>commentary<|message|>B?<|end|>", ""),
        ("<|think|>A?<|end|><|begin|>assistant<|content|>D<|end|>", "D"),
        ("<|content|>D<|end|>", "D"),
        (
            "<|content_thinking|>A?<|end_message|><|message_model|><|content_text|>D<|end_message|>"
            "<|content_model_end_sampling|>",
            "D",
        ),
        (
            "<|open|>think<|sep|>A?<|close|>think<|sep|><|open|>response<|sep|>D<|close|>response<|sep|>"
            "<|close|>message<|sep|>",
            "D",
        ),
        ("A?<|close|>think<|sep|><|open|>response<|sep|>D<|close|>response<|sep|>", "D"),
        (" to=self<|message|>A?<|eom|><|start|>assistant to=user<|message|>D<|eot|>", "D"),
        (" to=self<|message|>A?", ""),
        ("<|start|>assistant to=user<|message|>D", "D"),
        ("/think\nA?<|im_end|>\n<|im_start|>assistant\nD<|im_end|>", "\nD"),
        ("<|im_start|>assistant/think\nA?", ""),
        ("<|START_THINKING|>A?<|END_THINKING|><|START_TEXT|>D<|END_TEXT|>", "D"),
        ("<unused94>thought\nA?\n<unused95>D<end_of_turn>", "D"),
        ("<think>A?</think><|begin_of_box|>D<|end_of_box|>", "D"),
        ("<think:opensource></think:opensource>D", "D"),
        ("<think:opensource>A?</think>D", "D"),
        ("<mm:think>A?</think>D", "D"),
        ("<think>A?</mm:think>D", "D"),
        ("<mm:think>A? The tag </mm:think> in `</mm:think>`</mm:think>D", "D"),
        ("<thinking>A?</thinking>\n<final>D</final>", "D"),
        ("<reasoning>x</reasoning><answer>D</answer>", "D"),
        ("<|begin_of_thought|>x<|end_of_thought|><|begin_of_solution|>D<|end_of_solution|>", "D"),
    ],
)
def test_final_answers(text, answer):
    assert final_answer(text).text == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</thinking>18", "18"),
        ("[THINK]a</think>B", "B"),
        ("<THINK>a</Thinking>\n18", "18"),
        ("<thought>a[/think]18", "18"),
        ("◁think▷a</think>18", "18"),
        ("<think>a</thinking>\n<think>b</thinking>\n18", "18"),
        ("<think>a</think>\n<think>b</thinking>18", "18"),
        ("<think>a</thinking>\n<think>b</think>18", "18"),
        ("<think>a<reasoning>b</reasoning>c</thinking>18", "18"),
        ("<think>a<think>b</thinking>c</thinking>18", "18"),
        ("<think>a<think>b</thinking>c</think>18", "18"),
        ("<think>a</thinking>b</think>18", "18"),  # its own closing mark is still to come
        ("<think>a</thinking>```xml\n<reason>b</thinking>\n```", "```xml\n<reason>b</thinking>\n```"),
        ("<think>```\n</thinking>\n```\na</think>18", "18"),
        ("<think># so it is 17</think>18", "18"),
        ('<think>"17"</think>"18"', '"18"'),
        ("<think>```python\nnever closed</think>\n18\n```\nx\n```", "18\n```\nx\n```"),
    ],
)
def test_a_closing_mark_of_another_name_ends_thinking(text, answer):
    found = final_answer(text)
    assert (found.text, found.cut) == (answer, False)


@pytest.mark.parametrize(
    "text",
    [
        "<think>a <reasoning>b</reasoning> c",
        "<think>a `</thinking>` b",
        "<think>The tag `</think>` ends it. 18",
        'The template began it.</think>\n<think>It ends with "</think>", so 18',
        '<think>It ends with "</think>", so 18',
        "<think>```html\n</thinking>\n```\n18",
        "<think>```html\n<think>\n</think>\n```\n18",
        "<think>a</think>\n<think>b",
        "<think>a</thinking>\n[THINK]b",
        "<think>a<think>b",
    ],
)
def test_thinking_that_was_cut_stays_cut(text):
    assert final_answer(text).cut and final_answer(text).text == ""


@pytest.mark.parametrize(
    "text",
    [
        "```python\ndef f(xs):\n    # strip </think> tags\n    return 1\n```",
        "    # strip </think> tags\n    return text",
        "    return text.split('</think>')[-1]",
        '    return re.sub(r"<think>.*?</think>", "", t)',
        "    return t.replace('<|endoftext|>', '')",
        "Use `<think>` and `</think>` around it.",
        "~~~\n<think>\nA\n</think>\n~~~\nis how it looks.",
        "x </think",
        "1 < 2 > 0",
        "The <mm:think> tag",
        "<refund_reason>late</refund_reason>",
        "<thinker>x</thinker>",
        "The token <|channel> opens a channel.",
        "Send it to=self<|message|>",
        "<unused7> and [unused1]",
        "`<|content|>` begins it",
        "the <think> tag",
    ],
)
def test_marks_in_code_are_code(text):
    assert final_answer(text) == (text, (), False)


def test_what_a_prompt_leaves_open():
    assert opened_thinking("<|im_start|>assistant\n<think>\n") == "<think>"
    assert opened_thinking("<think>\n\n</think>\n\n") == "" == opened_thinking("The <think> tag is")
    assert is_mark("[THINK]") and is_mark("<|channel|>") and not is_mark("<|im_end|>")


SAMPLE = Sample(
    id="1", question="?", answers=("18",), choices=("18", "2"), gold_indices=(0,), extra={"spans": [["18"]]}
)


@pytest.mark.parametrize(
    "name", ["mmlu", "gsm8k", "math500", "squad", "squad2", "triviaqa", "nq_open", "drop", "bbh/navigate"]
)
@pytest.mark.parametrize(
    "opens",
    ["<think>", "[THINK]", "<thought>", "<|channel|>analysis<|message|>", "<mm:think>", "<|channel>thought\n",
     "<unused94>thought\n", "<think:6124c78e>", " to=self<|message|>"],
)  # fmt: skip
def test_an_answer_cut_inside_its_thinking_is_truncated_in_every_scorer(name, opens):
    score = plugins.load_benchmark(name).score
    for finish in ("length", "stop"):
        found = score_response(
            score, SAMPLE, ASKED, Response(text=f"{opens}The answer is 18. \\boxed{{18}} A", finish=finish)
        )
        assert found.status == "truncated" and set(found.scores.values()) <= {0.0} and found.answer is None
    assert found.detail["stripped"]


def test_no_answer_is_right_where_the_thinking_never_ended():
    none = Sample(id="1", question="?", answers=())
    found = score_response(
        plugins.load_benchmark("squad2").score, none, ASKED, Response(text="<think>hm", finish="length")
    )
    assert (found.status, found.scores) == ("truncated", {"exact_match": 0.0, "f1": 0.0})


def test_a_judge_neither_thinks_aloud_nor_sees_thinking():
    scale = Scale(labels={"A": 1.0, "B": 0.0})
    assert read_verdict(Response(text="[THINK][[A]][/THINK][[B]]"), scale).value == 0.0
    assert read_verdict(Response(text="<thought>[[A]]"), scale).value is None
    result = Result(
        benchmark="b", sample=SAMPLE, request=ASKED, response=Response(text="<think>A</think>D"), status="scored"
    )
    assert answer_of(result) == "D"


HOSTILE = [
    "`" * 1_000_000,
    "<think>" * 140_000,
    "<think></think>" * 70_000,
    "`</think>`" * 110_000,
    "```\n</think>\n" * 80_000,
    "'<|im_end|>'" * 80_000,
    "\n" * 1_000_000 + "<",
    "<think></thinking>" * 55_000,
    "<think></thinking>\n" * 499,
    "<think>" * 499 + "</thinking>" * 499,
    "<think>" + "</think>\n```\n" * 80_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_megabyte_of_anything_takes_no_time(number):
    # Under 1 s; quadratic time would be minutes.
    assert processor_seconds(lambda: final_answer(HOSTILE[number])) < 3


@pytest.mark.parametrize(
    "text",
    [
        "<think>x</think><think>The answer is A.", "<think>x</think> <think>The answer is A.",
        "OK. <think>The answer is A.", "Let me see: <think>The answer is A.",
    ],
)  # fmt: skip
def test_thinking_that_opens_behind_thinking_or_a_sentence_is_thinking(text):
    found = final_answer(text)
    assert "answer is A" not in found.text


def test_a_tag_in_a_sentence_is_a_word():
    assert "answer is A" in final_answer("The <think> tag opens thinking. The answer is A.").text
