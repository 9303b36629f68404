"""M-IFEval: each language's own checks, read from texts that follow them and texts that just do not."""

import pytest

from evalharness import plugins
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError
from evalharness.records import Message, Request, Response
from evalharness.scoring.answers import score_response

pytest.importorskip("langdetect")
pytest.importorskip("nltk")

CASES = [
    ("es:punctuation:question_marks", {}, "¿Nada? Sí.", "Nada?"),
    ("es:punctuation:exclamation_marks", {}, "¡Hola!", "Hola!"),
    ("es:special_character:tildes", {"relation": "como máximo", "num_words": 1}, "El avión.", "El avión voló."),
    ("es:special_character:enie", {"let_frequency": 2}, "El niño, mañana.", "El niño."),
    ("es:special_character:dieresis", {"let_frequency": 1}, "La cigüeña.", "La garza."),
    ("es:startend:end_checker", {"end_phrase": "Un saludo"}, "Adiós. Un saludo.", "Un saludo a todos"),
    (
        "es:length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "En fin"},
        "Uno.\n\nEn fin, dos.",
        "En fin.\n\nDos.",
    ),
    ("es:detectable_format:constrained_response", {}, "Quizás.", "Puede ser."),
    ("es:change_case:spanish_capital", {}, "EL MAR ES MUY GRANDE Y LOS PECES NADAN", "El mar es muy grande"),
    ("fr:detectable_format:title", {}, "##Le phare##\nIl brille.", "## ##"),
    ("fr:startend:quotation", {}, "« Bonjour »", "« Bonjour"),
    ("fr:special_character:ethel_or_cedilla", {"forbidden_char": "ç"}, "Le cours", "Ça va"),
    ("fr:special_character:no_accents", {}, "Le phare", "La lumière"),
    ("fr:special_character:accents", {"word_to_accentuate": {"lecon": "leçon"}}, "la leçon", "la lecon"),
    ("fr:detectable_content:informal_address", {}, "Viens avec ton chien.", "Venez avec votre chien."),
    ("fr:detectable_content:no_digits", {}, "Deux phares", "2 phares"),
    ("fr:keywords:letter_frequency", {"letter": "y", "let_frequency": 2, "let_relation": "moins de"}, "y", "yy"),
    ("ja:length_constraints:number_letters", {"relation": "未満", "num_letters": 4}, "海です", "海ですね"),
    ("ja:length_constraints:number_sentences", {"relation": "以上", "num_sentences": 2}, "海。山。", "海と山。"),
    ("ja:detectable_format:number_numbered_lists", {"num_items": 2}, "1. 海\n2. 山", "1. 海"),
    ("ja:detectable_format:number_bullet_lists", {"num_bullets": 2}, "・海\n・山", "- 海\n- 山"),
    ("ja:detectable_format:multiple_sections", {"section_spliter": "章", "num_sections": 2}, "第1章 第二章", "第1章"),
    ("ja:detectable_format:number_highlighted_sections", {"num_highlights": 1}, "《海》", "《 》"),
    ("ja:detectable_format:title", {}, "『海』\n青い。", "「海」"),
    ("ja:detectable_format:nominal_ending", {"count": 2}, "青い海。高い山。", "海は青い。山。"),
    ("ja:startend:sentence_unified_end", {"ending": "です"}, "海です。山です。", "海です。山だ。"),
    ("ja:startend:quotation", {}, "「海」", "海」"),
    ("ja:letters:furigana", {}, "海（うみ）と山（やま）", "海（うみ）と山"),
    ("ja:letters:kansuuji", {}, "三つの海", "3つの海"),
    ("ja:letters:kanji", {"relation": "以上", "kanji_limit": 2}, "海と山", "海とやま"),
    ("ja:letters:hiragana_only", {}, "うみ！", "ウミ"),
    ("ja:letters:katakana_only", {}, "ウミー！", "umi"),
    ("ja:letters:no_katakana", {}, "海だ", "コップ"),
    ("ja:letters:no_hiragana", {}, "コップ", "海だ"),
    ("ja:punctuation:no_comma", {}, "海と山", "海、山"),
    ("ja:punctuation:no_period", {}, "海と山", "海。"),
    ("ja:keywords:existence", {"keywords": ["創造性"]}, "創造性です", "創造です"),
    ("ja:keywords:forbidden_words", {"forbidden_words": ["海"]}, "山です", "海辺です"),
    (
        "ja:keywords:letter_frequency",
        {"letter": "る", "let_frequency": 2, "let_relation": "以上"},
        "するルール",
        "する",
    ),
    ("ja:detectable_content:postscript", {"postscript_marker": "追伸"}, "追伸: 海", "海"),
]


@pytest.mark.parametrize(("name", "given", "follows", "fails"), CASES, ids=[case[0] for case in CASES])
def test_a_check_tells_the_text_that_follows_from_the_one_that_does_not(name, given, follows, fails):
    scorer = plugins.load_benchmark(f"m_ifeval/{name[:2]}").score.__self__
    sample = scorer.given([name], [given])
    told = [scorer.follows(text, name, sample["arguments"][0]) for text in (follows, fails)]
    assert told == [True, False]


def test_the_authors_file_is_named_by_the_user(tmp_path):
    source = plugins.load_benchmark("m_ifeval/fr").source
    with pytest.raises(DataError, match=r"no hub has these questions; say data with fr_input_data\.jsonl.*M-IFEval"):
        sources.load_rows(source, Want(split="test"), None)
    row = """{"key": 4, "prompt": "?", "instruction_id_list": ["fr:language:response_language"],
              "kwargs": [{"language": "zh"}]}"""
    (tmp_path / "fr_input_data.jsonl").write_text(row.replace("\n", ""))
    rows = sources.load_rows(source, Want(split="test"), str(tmp_path)).rows
    (sample,) = sources.build_samples(rows, plugins.load_benchmark("m_ifeval/fr").sample)
    assert sample.extra["arguments"] == [{"language": "zh-cn"}]
    unknown = rows[0] | {"instruction_id_list": ["es:punctuation:question_marks"], "kwargs": [{}]}
    with pytest.raises(DataError, match="unknown instruction es:punctuation:question_marks"):
        sources.build_samples([unknown], plugins.load_benchmark("m_ifeval/fr").sample)


def asked(*pairs):
    """A question with these instructions, and its scorer."""
    benchmark = plugins.load_benchmark("m_ifeval/fr")
    row = {"key": 1, "prompt": "?", "instruction_id_list": [n for n, _ in pairs], "kwargs": [k for _, k in pairs]}
    return benchmark.sample(row), lambda sample, text: score_response(
        benchmark.score, sample, Request(messages=(Message("user", "?"),)), Response(text=text, finish="stop")
    )


def test_what_a_model_thinks_before_its_answer_is_not_checked():
    """https://github.com/QwenLM/Qwen3/issues/1563: texts under 50 words failed by their thinking elsewhere."""
    sample, scored = asked(("fr:length_constraints:number_words", {"num_words": 4, "relation": "moins de"}))
    assert scored(sample, "<think>" + "mot " * 50 + "</think>Un mot.").status == "correct"
    assert scored(sample, "mot " * 50).status == "wrong"


def test_a_letter_that_is_none_is_counted_as_it_is():
    """https://github.com/EleutherAI/lm-evaluation-harness/issues/2260: a random letter was counted in place of `!`."""
    sample, scored = asked(("fr:keywords:letter_frequency", {"letter": "!", "let_frequency": 2}))
    assert [scored(sample, text).status for text in ("Oui ! Non !", "Oui !")] == ["correct", "wrong"]


def test_an_instruction_that_is_given_twice_is_two():
    """https://github.com/google-research/google-research/pull/3361: such a row is in IFEval's data."""
    sample, scored = asked(("fr:punctuation:no_comma", {}), ("fr:punctuation:no_comma", {}))
    assert scored(sample, "a, b").scores["instructions"] == 2.0


def test_the_bundled_rows_are_a_sample(evalh):
    said = evalh("run", "m_ifeval/ja", "--data", "sample", "--model", "echo", "--json")
    assert said.code == 0 and list(said.json["benchmarks"]) == ["m_ifeval/ja@sample"]


def test_there_is_nothing_to_pull_where_no_hub_has_the_questions(evalh, tmp_path):
    said = evalh("data", "pull", "m_ifeval/ja", "--to", str(tmp_path / "x"))
    assert said.code == 2 and "no hub has these questions" in said.err and "ja_input_data.jsonl" in said.err
    assert not (tmp_path / "x").exists()
