"""The authors' own judge prompts are read from their files and filled as they are; the run says if it compares."""

import json
from dataclasses import replace

import pytest

from evalharness import plugins
from evalharness.errors import DataError, UserError
from evalharness.judge import JudgeCase, JudgeItem, judge_request
from evalharness.judging.published import reasons, with_published
from evalharness.runs.manifest import BenchmarkFacts, JudgingFacts, SeatFacts

TURNS = (("What is {answer}?", "first {question}"), ("And then?", "second"))
# Files of the authors' form, in our words.
MT = [
    {"name": name, "system_prompt": f"system of {name}", "prompt_template": text}
    for name, text in {
        "single-v1": "Q {question} A {answer}", "single-math-v1": "Q {question} R {ref_answer_1} A {answer}",
        "single-v1-multi-turn": "{question_1}|{answer_1}|{question_2}|{answer_2}",
        "single-math-v1-multi-turn": "{ref_answer_1}|{ref_answer_2}|{answer_1}|{answer_2}",
    }.items()
]  # fmt: skip
CLF = "<|im_start|>system\nRank.\n<|im_end|>\n<|im_start|>user\n{instruction} m {output_1} M {output_2}\n<|im_end|>\n"
ARENA = 'system_prompt: "Be fair."\nprompt_template: ["{question_1}", "A {answer_1} B {answer_2}"]\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "judge_prompts.jsonl").write_text("\n".join(map(json.dumps, MT)))
    (tmp_path / "deep" / "alpaca_eval_clf.txt").write_text(CLF)
    (tmp_path / "judge_config.yaml").write_text(ARENA)
    return str(tmp_path)


def said(judge, case, part, order=""):
    return [(m.role, m.content) for m in judge_request(judge, case, part, order).messages]


def test_mt_benchs_prompt_fits_the_turn_and_the_reference(folder):
    judge = with_published(plugins.load_judge("score/10"), "published", [folder])
    case = JudgeCase(id="1", turns=TURNS, extra={"references": ["ref one", "ref two"]})
    plain = JudgeCase(id="1", turns=TURNS)
    assert said(judge, plain, JudgeItem(turns=TURNS[:1])) == [
        ("system", "system of single-v1"),
        ("user", "Q What is {answer}? A first {question}"),
    ], "what a model wrote is no template"
    assert said(judge, plain, JudgeItem(turns=TURNS))[1][1] == "What is {answer}?|first {question}|And then?|second"
    assert said(judge, case, JudgeItem(turns=TURNS[:1], reference="ref one"))[1][1].startswith(
        "Q What is {answer}? R ref one"
    )
    assert (
        said(judge, case, JudgeItem(turns=TURNS, reference="ref two"))[1][1]
        == "ref one|ref two|first {question}|second"
    )
    assert judge_request(judge, plain, JudgeItem(turns=TURNS), "").schema is None
    assert judge.sha != plugins.load_judge("score/10").sha


@pytest.mark.parametrize(("order", "shown"), [("AB", "q m mine M theirs"), ("BA", "q m theirs M mine")])
def test_alpaca_evals_prompt_shows_both_answers_in_the_order_asked(folder, order, shown):
    judge = with_published(plugins.load_judge("pairwise_logprob"), f"published={folder}", [])
    case = JudgeCase(id="1", turns=(("q", "mine"),), against=(("q", "theirs"),))
    assert said(judge, case, JudgeItem(turns=case.turns), order) == [("system", "Rank."), ("user", shown)]
    assert judge_request(judge, case, JudgeItem(turns=case.turns), order).max_tokens == 1


def test_arena_hards_config(folder):
    judge = with_published(plugins.load_judge("pairwise/five"), f"published={folder}/judge_config.yaml", [])
    case = JudgeCase(id="1", turns=(("q", "mine"),), against=(("q", "theirs"),))
    assert said(judge, case, JudgeItem(turns=case.turns), "BA")[1][1] == "q\nA theirs B mine"


@pytest.mark.parametrize(
    ("name", "spec", "error", "says"),
    [
        ("score", "published", UserError, "has no published prompt"),
        ("score/10", "own", UserError, "published=PATH"),
        ("score/10", "theirs", UserError, "published=PATH"),
        ("score/10", "published", UserError, "there is no judge_prompts.jsonl"),
        ("pairwise/five", "published=bad.yaml", DataError, "system_prompt and prompt_template"),
        ("pairwise_logprob", "published=bad.txt", DataError, "im_start"),
        ("score/10", "published=hub:x", UserError, "OWNER/NAME"),
    ],
)
def test_what_is_no_published_prompt_is_one_line(tmp_path, monkeypatch, name, spec, error, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("- 1")
    (tmp_path / "bad.txt").write_text("no sections")
    with pytest.raises(error, match=says):
        with_published(plugins.load_judge(name), spec, [])


def test_a_placeholder_that_is_unknown_is_named(tmp_path):
    (tmp_path / "judge_config.yaml").write_text('system_prompt: ""\nprompt_template: "{question_1} {mood}"\n')
    judge = with_published(plugins.load_judge("pairwise/five"), f"published={tmp_path}", [])
    case = JudgeCase(id="1", turns=(("q", "a"),), against=(("q", "b"),))
    with pytest.raises(DataError, match="mood"):
        judge_request(judge, case, JudgeItem(turns=case.turns), "AB")


def test_a_figure_is_comparable_with_the_leaderboard_only_if_all_of_it_is_the_boards():
    alpaca = plugins.load_benchmark("alpaca_eval")
    whole, few = BenchmarkFacts(items=805), BenchmarkFacts(items=8)
    model = "openai:gpt-4-1106-preview"
    seat = SeatFacts(seat="s", judge="pairwise_logprob", model=model, template="published")

    def judged(seat):
        return JudgingFacts(seats=(seat,))

    assert reasons(alpaca, whole, judged(seat)) == ()
    (why,) = reasons(alpaca, whole, judged(replace(seat, template=None)))
    assert "--judge-template published" in why
    assert len(reasons(alpaca, few, judged(SeatFacts(seat="s", judge="pairwise", model="echo")))) == 4
    assert reasons(plugins.load_benchmark("gsm8k"), few, judged(seat)) is None
    five = judged(replace(seat, judge="pairwise/five"))
    arena = reasons(plugins.load_benchmark("arena_hard"), BenchmarkFacts(items=500), five)
    assert arena == ("not compared with the answers of gpt-4-0314",)
    compared = replace(five, against="runs/gpt-4-0314")
    assert reasons(plugins.load_benchmark("arena_hard"), BenchmarkFacts(items=500), compared) == ()


def test_the_run_says_so(evalh, folder):
    evalh("run", "alpaca_eval", "--data", "sample", "--model", "echo", "--name", "run")
    told = evalh("judge", "run", "--judge", "echo", "--judge-template", f"published={folder}")
    assert "not comparable with the leaderboard: judged by echo" in told.out and "8 of 805 items" in told.out
    own = evalh("judge", "run", "--judge", "echo", "--json").json["leaderboard"]["alpaca_eval@sample"]
    assert own["comparable"] is False and any("published" in why for why in own["reasons"])
    bad = evalh("judge", "run", "--judge", "echo", "--judge-template", "published")
    assert bad.code == 2 and bad.err.count("\n") == 1 and "alpaca_eval_clf.txt" in bad.err


def test_of_two_turns_the_last_answer_is_the_answer(tmp_path):
    texts = {"pair-v2-multi-turn": "{answer_a_1}|{answer_b_1}|{answer_a_2}|{answer_b_2}|{output_1}|{output_2}",
             "single-v1-multi-turn": "{question}|{instruction}|{answer}"}  # fmt: skip
    rows = [{"name": name, "system_prompt": "", "prompt_template": text} for name, text in texts.items()]
    (tmp_path / "judge_prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    mine, theirs = (("q1", "a1"), ("q2", "a2")), (("q1", "b1"), ("q2", "b2"))
    case = JudgeCase(id="1", turns=mine, against=theirs)
    pair = with_published(plugins.load_judge("pairwise"), f"published={tmp_path}", [])
    assert said(pair, case, JudgeItem(turns=mine), "AB") == [("user", "a1|b1|a2|b2|a2|b2")]
    assert said(pair, case, JudgeItem(turns=mine), "BA") == [("user", "b1|a1|b2|a2|b2|a2")]
    alone = JudgeCase(id="1", turns=mine)
    single = with_published(plugins.load_judge("score/10"), f"published={tmp_path}", [])
    assert said(single, alone, JudgeItem(turns=mine)) == [("user", "q1|q1|a2")]
    with pytest.raises(DataError, match=r"have no 'pair-v2'; there is pair-v2-multi-turn, single-v1-multi-turn"):
        judge_request(pair, case, JudgeItem(turns=mine[:1]), "AB")
