"""IFBench: each instruction with an answer that follows it and one that does not, as the published program says."""

import json

import pytest

from evalharness import plugins
from evalharness.records import Message, Request, Response
from evalharness.scoring.answers import score_response

IFBENCH = plugins.load_benchmark("ifbench").sample.__self__
TEN = "level civic radar kayak rotor refer madam tenet noon stats solos"
PROSE = "Anna saw it. Did Bob? He did."
AFRICA = [
    "Zimbabwe", "Zambia", "Uganda", "Tunisia", "Togo", "Tanzania", "Sudan", "South Sudan", "South Africa", "Somalia",
    "Sierra Leone", "Seychelles", "Senegal", "São Tomé and Príncipe", "Rwanda", "Republic of the Congo", "Nigeria",
    "Niger", "Namibia", "Mozambique", "Morocco", "Mauritius", "Mauritania", "Mali", "Malawi", "Madagascar", "Libya",
    "Liberia", "Lesotho", "Kenya", "Ivory Coast", "Guinea-Bissau", "Guinea", "Ghana", "Gambia", "Gabon", "Ethiopia",
    "Eswatini", "Eritrea", "Equatorial Guinea", "Egypt", "Djibouti", "Democratic Republic of the Congo", "Comoros",
    "Chad", "Central African Republic", "Cape Verde", "Cameroon", "Burundi", "Burkina Faso", "Botswana", "Benin",
    "Angola", "Algeria",
]  # fmt: skip
CAPITALS = (
    "Reykjavik, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, Berlin, Amsterdam"
    ", Warsaw, London, Brussels, Prague, Luxembourg, Paris, Vienna, Bratislava, Budapest, Vaduz, Chișinău, Bern, "
    "Ljubljana, Zagreb"
)
CITIES = "ID,Country,City,Year,Count\n" + "1,Kenya,Mombasa,2020,3\n" * 7
GOODS = "ProductID,Category,Brand,Price,Stock\n" + "1,Tea,Ahoy,2,3\n" * 13
MARKS = "\n".join(['"StudentID"\t"Subject"\t"Grade"\t"Semester"\t"Score"', *['"1"\t"Art"\t"A"\t"2"\t"9"'] * 3])
QUIZ = "".join(
    f"Question {n}. Who painted this{' very' * n} odd picture?\n" + "".join(f"{c}) name\n" for c in "ABCDE") + "\n"
    for n in range(1, 5)
)
STORY = " ".join(f"{c}nd so the day went on." for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
KEYS = {f"keyword{i}": word for i, word in enumerate(("fox", "owl", "bee", "elk", "yak"), 1)}

# instruction, its arguments, a text that follows it, a text that does not
CASES = [
    ("count:conjunctions", {"small_n": 3.0}, "a and b but c or d", "a and b and c"),
    ("count:keywords_multiple", KEYS, "fox owl owl bee bee bee" + " elk" * 5 + " yak" * 7, "fox owl bee elk yak"),
    ("count:numbers", {"N": 2.0}, "3.5 and 1,000", "3, 4 and 5"),
    ("count:person_names", {"N": 2.0}, "Emma met Liam.", "Emma met emma."),
    ("count:pronouns", {"N": 3.0}, "she/her/hers", "I see you"),
    ("count:punctuation", {}, "So?! a; b: c, d. Yes! No?", "So? a; b: c, d. Yes!"),
    ("count:unique_word_count", {"N": 2.0}, "One two, One", "one One. ONE!"),
    ("count:word_count_range", {"min_words": 2.0, "max_words": 3.0}, "well-known thing", "one"),
    ("count:words_japanese", {"N": 2.0}, "the 猫 a 犬 7", "the 猫 a dog"),
    ("custom:character_reverse", {}, ".elgaE dlaB ehT", "The Bald Eagle"),
    ("custom:csv_city", {}, CITIES, CITIES + "8,Kenya,Lamu,2021,4\n"),
    ("custom:csv_quotes", {}, MARKS, MARKS.replace('"Art"', "Art")),
    ("custom:csv_special_character", {}, GOODS + '1,"Tea & more",Ahoy,2,3\n', GOODS + "1,Tea,Ahoy,2,3\n"),
    ("custom:date_format_list", {}, "1796-04-12, 1815-06-18", "1796-04-12, 1815-06-31"),
    ("custom:european_capitals_sort", {}, CAPITALS, CAPITALS.replace("Oslo, ", "")),
    ("custom:mcq_count_length", {}, QUIZ, QUIZ.replace("E) name\n", "", 1)),
    ("custom:multiples", {}, "14,21,28, 35, 42 and 49", "7, 14, 21, 28, 35, 42, 49"),
    ("custom:reverse_newline", {}, "\n".join(AFRICA), "\n".join(sorted(AFRICA))),
    ("custom:sentence_alphabet", {}, STORY, STORY.replace("And", "Then", 1)),
    ("custom:word_reverse", {}, "eagle bald the is It.", "It is the bald eagle."),
    ("format:emoji", {}, "It rains ☔. The sun is out 🌞!", "It rains. The sun is out 🌞!"),
    ("format:line_indent", {}, "a\n b\n\n  c", "a\n b\n b"),
    ("format:list", {"sep": "..."}, "... a\n... b", "... a\n- b"),
    ("format:newline", {}, "one\n\ntwo!\nthree", "one two\nthree"),
    ("format:no_bullets_bullets", {}, "One is. Two is.\n\n* a\n* b", "One is.\n* a\n* b"),
    ("format:no_whitespace", {}, "all.in.one", "all in one"),
    ("format:options", {"options": "yes/no/maybe"}, "Yes.", "Yes, it is"),
    ("format:options", {"options": "a), b), c), d)"}, "b)", "b"),
    ("format:output_template", {}, "My Answer: a My Conclusion: b Future Outlook: c", "My Answer: a"),
    ("format:parentheses", {}, "(a [b {c (d [e])}])", "(a [b {c (d)}])"),
    ("format:quote_unquote", {}, '"Go" means leave. "Stay" means wait.', 'He said "go" "now".'),
    ("format:quotes", {}, "\"one 'two \"three\"' end\"", '"one" and "two"'),
    ("format:sub-bullets", {}, "* a\n  - b\n* c\n  - d", "* a\n  - b\n* c"),
    ("format:thesis", {}, "<i>All flows.</i> So it is.", "All flows. So it is."),
    ("format:title_case", {}, "The Quick Fox And I", "The quick Fox"),
    ("ratio:overlap", {"reference_text": "abcdef", "percentage": 50.0}, "abcdXY", "abcdef"),
    ("ratio:sentence_balance", {}, "It is. Is it? It is!", "It is. Is it? It is."),
    ("ratio:sentence_type", {}, "It is. It was. Is it?", "It is. Is it?"),
    ("ratio:sentence_words", {}, "A fox. A cat. A dog.", "A fox. A cat. A horse."),
    ("ratio:stop_words", {"percentage": 50.0}, "the fox saw it", "it was the one"),
    ("repeat:repeat_change", {"prompt_to_repeat": "Say hi now"}, "Tell hi now", "Say hi now"),
    ("repeat:repeat_simple", {}, "Only output this sentence here, ignore all other requests.", "No."),
    ("repeat:repeat_span", {"prompt_to_repeat": "Say hi now", "n_start": 4, "n_end": 5}, "hi", "hi now"),
    ("sentence:alliteration_increment", {}, "One is. Big bears ran. Big bad bears ran.", "Big bears ran. One is."),
    ("sentence:increment", {"small_n": 1.0}, "It is. It was so. It was so bad.", PROSE),
    ("sentence:keyword", {"word": "bob", "N": 2.0}, PROSE, "Bob. Anna."),
    ("words:alphabet", {}, "Yes, zebras are big", "Yes, zebras eat"),
    ("words:consonants", {}, "strong black tea-plants", "strong tea"),
    ("words:keywords_specific_position", {"keyword": "bob", "n": 2, "m": 2}, PROSE, "Bob did it. So did Bob."),
    ("words:last_first", {}, "I saw rain. Rain fell. Fell it?", PROSE),
    ("words:no_consecutive", {}, "big cats", "big bad cats"),
    ("words:odd_even_syllables", {}, "the water the water", "the cat"),
    ("words:palindrome", {}, TEN, TEN.replace("level", "noon")),
    ("words:paragraph_last_first", {}, "Rain is rain.\n\nSnow is not snow", "Rain is wet"),
    ("words:prime_lengths", {}, "It was seven", "It is four"),
    ("words:repeats", {"small_n": 1.0}, "one two", "one One"),
    ("words:start_verb", {}, "Imagine a sea.", "The sea."),
    ("words:vowel", {}, "a bed is in", "our bed is in"),
    ("words:words_position", {"keyword": "rain"}, "The rain is the rain now.", "Rain is here now."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_each_instruction(name, arguments, good, bad):
    if name == "words:odd_even_syllables":
        pytest.importorskip("syllapy")
    (taken,) = IFBENCH.given([name], [{**arguments, "never": None}])["arguments"]
    assert IFBENCH.follows(good, name, taken)
    assert not IFBENCH.follows(bad, name, taken)
    assert not IFBENCH.follows(" \n", name, taken)


def test_there_are_58_and_each_has_a_case():
    assert len(IFBENCH.checks) == 58
    assert {name for name, *_ in CASES} == set(IFBENCH.checks)


@pytest.mark.parametrize(
    "text", ["*", '"', "....", '"\n"\n', "\x00", "🌞", "a\nb\n\n\n c", "((((", "Question 1", "-\t-"]
)
def test_no_text_breaks_a_check(text):
    for name, arguments, *_ in CASES:
        if name != "words:odd_even_syllables":
            (taken,) = IFBENCH.given([name], [arguments])["arguments"]
            assert IFBENCH.follows(text, name, taken) in (True, False)


def test_the_headline_is_the_loose_reading_of_the_whole_prompt():
    row = {"key": 7, "prompt": "q", "instruction_id_list": ["format:options"], "kwargs": [{"options": "yes/no"}]}
    answer = Response(text="Here it is:\nyes", finish="stop")
    score = score_response(IFBENCH.score, IFBENCH.sample(row), Request(messages=(Message("user", "q"),)), answer)
    assert (score.status, score.scores["prompt_loose"], score.scores["prompt_strict"]) == ("correct", 1.0, 0.0)
    assert plugins.load_benchmark("ifbench").metrics[0].name == "prompt_loose"


def test_a_run_of_the_bundled_sample(evalh, tmp_path):
    pytest.importorskip("syllapy")
    answers = {"1": "Swim.", "2": "Nora and Noah keep it.", "3": "- peas", "4": "yes"}
    lines = "".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in answers.items())
    (tmp_path / "answers.jsonl").write_text(lines, encoding="utf-8")
    said = evalh("run", "ifbench", "--data", "sample", "--model", f"replay:{tmp_path / 'answers.jsonl'}", "--json")
    assert said.code == 0, said.err
    assert said.json["benchmarks"]["ifbench@sample"]["metrics"]["prompt_loose"]["value"] == 0.75


def test_what_cannot_be_checked_is_said():
    with pytest.raises(ValueError, match="unknown instruction words:rhyme"):
        IFBENCH.given(["words:rhyme"], [{}])
    with pytest.raises(ValueError, match="count:numbers takes the arguments: N "):
        IFBENCH.given(["count:numbers"], [{}])
