"""IFBench's 58 checkable instructions, as its program reads them (https://github.com/allenai/IFBench).

Where that program downloads something, this one has a fixed rule in its place: sentences are split as in IFEval, and
a first word is a verb by the list and endings of `_ifbench_words`.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from string import ascii_lowercase, punctuation

from evalharness.building_blocks.instruction_texts import sentences, tree_words

from ._ifbench_words import CONJUNCTIONS, PEOPLE, PRONOUNS, STOP_WORDS, is_emoji, is_verb

_NO_MARKS = str.maketrans("", "", punctuation)
_EDGES = punctuation + " "
_PRIMES = frozenset({2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97})
_TEMPLATE = ("My Answer:", "My Conclusion:", "Future Outlook:")


def bare_words(text: str) -> list[str]:
    """The words of a text, all punctuation taken out of them."""
    return text.translate(_NO_MARKS).split()


# --- count


def word_count_range(text: str, min_words: int, max_words: int) -> bool:
    return min_words <= len(re.findall(r"\w+", text)) <= max_words


def unique_word_count(text: str, N: int) -> bool:  # noqa: N803  # the data's name
    return len({word.strip(_EDGES) for word in text.lower().split()}) >= N


def conjunctions(text: str, small_n: int) -> bool:
    words = [word for word in text.split() if word.strip(_EDGES).lower() in CONJUNCTIONS]
    return len(set(words)) >= small_n  # `and` and `And,` are two, as in the published program


def person_names(text: str, N: int) -> bool:  # noqa: N803
    return sum(bool(re.search(rf"\b{name}\b", text)) for name in PEOPLE) >= N


def numbers(text: str, N: int) -> bool:  # noqa: N803
    return len(re.findall(r"\d+", text.translate(_NO_MARKS))) == N


def every_punctuation(text: str) -> bool:
    if not any(mark in text for mark in ("!?", "?!", "‽")):
        return False
    rest = text.replace("?!", "", 1) if "?!" in text else text.replace("!?", "", 1)
    return all(mark in rest for mark in ".,!?;:")


def words_japanese(text: str, N: int) -> bool:  # noqa: N803
    every_nth = [word.strip(_EDGES) for word in text.split()[N - 1 :: N]] if N > 0 else []
    return all(re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", word) for word in every_nth if word and not word.isdigit())


def pronouns(text: str, N: int) -> bool:  # noqa: N803
    return sum(word in PRONOUNS for word in tree_words(text.replace("/", " ").lower())) >= N


def keywords_multiple(text: str, keyword1: str, keyword2: str, keyword3: str, keyword4: str, keyword5: str) -> bool:
    wanted = zip((keyword1, keyword2, keyword3, keyword4, keyword5), (1, 2, 3, 5, 7), strict=True)
    return all(text.lower().count(word.strip().lower()) == times for word, times in wanted)


# --- ratio


def stop_words(text: str, percentage: int) -> bool:
    words = re.findall(r"\w+", text.lower())
    return bool(words) and 100 * sum(word in STOP_WORDS for word in words) / len(words) <= percentage


def _ending(text: str, mark: str) -> int:
    return sum(sentence.endswith(mark) for sentence in sentences(text))


def sentence_type(text: str) -> bool:
    return _ending(text, ".") == 2 * _ending(text, "?")


def sentence_balance(text: str) -> bool:
    return _ending(text, ".") == _ending(text, "?") == _ending(text, "!")


def overlap(text: str, reference_text: str, percentage: int) -> bool:
    """The trigrams are of characters."""
    found, wanted = ({part[i : i + 3] for i in range(len(part) - 2)} for part in (text, reference_text))
    return bool(found) and percentage - 2 <= 100 * len(found & wanted) / len(found) <= percentage + 2


def three_of_one_length(text: str) -> bool:
    """That all words differ is asked for and not checked by the published program either."""
    found = sentences(text)
    return len(found) == 3 and len({len(sentence.strip()) for sentence in found}) == 1


# --- words


def alphabet(text: str) -> bool:
    letters = [word[0].lower() for word in bare_words(text)]
    if not letters or letters[0] not in ascii_lowercase:
        return False
    first = ascii_lowercase.index(letters[0])
    return all(letter == ascii_lowercase[(first + i) % 26] for i, letter in enumerate(letters))


def three_vowels(text: str) -> bool:
    return "\n" not in text.strip() and len(set(text.lower()) & set("aeiou")) <= 3


def consonants(text: str) -> bool:
    return all(re.search(r"[bcdfghjklmnpqrstvwxyz]{2}", word) for word in text.lower().split())


def palindromes(text: str) -> bool:
    return sum(len(word) >= 5 and word == word[::-1] for word in bare_words(text.lower())) >= 10


def prime_lengths(text: str) -> bool:
    return all(len(word) in _PRIMES for word in bare_words(text))


def start_verb(text: str) -> bool:
    first = tree_words(text)[:1]
    return bool(first) and is_verb(first[0])


def repeats(text: str, small_n: int) -> bool:
    return all(count <= small_n for count in Counter(bare_words(text.lower())).values())


def odd_even_syllables(text: str) -> bool:
    import syllapy

    parities = [syllapy.count(word) % 2 for word in bare_words(text.lower())]
    return all(one != other for one, other in pairwise(parities))


def last_first(text: str) -> bool:
    for one, other in pairwise(sentences(text)):
        last, first = one.rstrip(_EDGES).split(), other.lstrip(_EDGES).split()
        if not last or not first or last[-1].lower() != first[0].lower():
            return False
    return True


def paragraph_last_first(text: str) -> bool:
    found = (paragraph.strip().lower().strip(_EDGES).split() for paragraph in text.split("\n"))
    return all(words[0] == words[-1] for words in found if words)


def no_consecutive(text: str) -> bool:
    return all(one[0] != other[0] for one, other in pairwise(bare_words(text.lower())))


def keyword_position(text: str, keyword: str, n: int, m: int) -> bool:
    if not 0 < n <= len(found := sentences(text)):
        return False
    words = [word for word in tree_words(found[n - 1]) if any(c.isalnum() for c in word)]
    return 0 < m <= len(words) and words[m - 1].lower() == keyword.strip().lower()


def words_position(text: str, keyword: str) -> bool:
    words = [word.lower() for word in tree_words(text)]
    if words and words[-1] in punctuation:
        words = words[:-1]
    return len(words) > 1 and words[1] == words[-2] == keyword.strip().lower()


# --- sentence


def keyword_in_sentence(text: str, word: str, N: int) -> bool:  # noqa: N803
    found = sentences(text)
    return 0 < N <= len(found) and bool(re.search(rf"\b{re.escape(word)}\b", found[N - 1], re.IGNORECASE))


def alliteration_increment(text: str) -> bool:
    runs = [_alliterative(sentence) for sentence in sentences(text)]
    return all(one < other for one, other in pairwise(runs))


def _alliterative(sentence: str) -> int:
    """Words that begin as their neighbour does: two for the first pair of a run, one for each that goes on with it."""
    words = [bare for word in sentence.lower().split() if (bare := word.lstrip(_EDGES))]
    same = [one[0] == other[0] for one, other in pairwise(words)]
    return sum(1 if i and same[i - 1] else 2 for i, alike in enumerate(same) if alike)


def word_increment(text: str, small_n: int) -> bool:
    lengths = [len(bare_words(sentence)) for sentence in sentences(text)]
    return all(other == one + small_n for one, other in pairwise(lengths))


# --- format


def nested_parentheses(text: str) -> bool:
    """Right once five open brackets have begun to be closed in their order; a wrong bracket begins anew."""
    opened: list[str] = []
    deepest = 0
    for mark in text:
        if mark in "([{":
            opened.append(mark)
            deepest = max(deepest, len(opened))
        elif mark in ")]}":
            if opened and opened[-1] + mark in ("()", "[]", "{}"):
                opened.pop()
                if deepest >= 5:
                    return True
            else:
                opened, deepest = [], 0
    return False


def nested_quotes(text: str) -> bool:
    opened: list[str] = []
    deepest = 0
    for mark in text:
        if opened and mark == opened[-1]:
            opened.pop()
            if deepest - len(opened) >= 3:
                return True
        elif mark in "\"'":
            opened.append(mark)
            deepest = max(deepest, len(opened))
    return False


def one_of_options(text: str, options: str) -> bool:
    by = "/" if "/" in options else "or" if "or" in options else ","
    known = [option.strip() for option in options.split(by)]
    if re.match(r"\W*[aA]\W*[bB]\W*[cC]\W*", options):
        return text in known
    return text.strip(_EDGES).lower() in {option.strip(_EDGES).lower() for option in known}


def word_a_line(text: str) -> bool:
    bare = text.translate(_NO_MARKS).strip()
    return len([line for line in bare.split("\n") if line]) == len(bare.split())


def emoji_sentences(text: str) -> bool:
    """An emoji that ends a sentence may stand where the splitter sees the next one begin."""
    found = [sentence.translate(_NO_MARKS).strip() for sentence in sentences(text)]
    if not all(found):
        return False
    begins = [sentence[0] for sentence in found[1:]] + [""]
    return all(any(map(is_emoji, (s[-2:-1], s[-1], next_one))) for s, next_one in zip(found, begins, strict=True))


def line_indent(text: str) -> bool:
    lines, at = text.split("\n"), 0
    while at < len(lines):  # as the published loop: of blank lines that follow each other every second stays
        if not lines[at].strip():
            lines.remove(lines[at])
        at += 1
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    return all(one < other for one, other in pairwise(indents))


def quote_unquote(text: str) -> bool:
    bare = "".join(text.replace("'\"'", "").split())
    rest = bare.strip("0123456789" + punctuation.replace('"', ""))
    return '""' not in bare and not rest.endswith('"')


def special_bullets(text: str, sep: str) -> bool:
    return text.count(sep) >= 2


def thesis(text: str) -> bool:
    begin = text.find("<i>") if "<i>" in text else text.find("<em>")
    if begin < 0:
        return False
    rest = text[begin:]
    end = rest.find("</i>") if "</i>" in rest else rest.find("</em>")
    return end >= 0 and bool(rest[3:end].strip()) and bool(rest[end + 4 :].strip())


def sub_bullets(text: str) -> bool:
    return all("-" in bullet for bullet in text.split("*")[1:])


def sentences_then_bullets(text: str) -> bool:
    """At least two sentences, then at least two bullet points; after a blank line only bullet points may follow."""
    before, bullets, open_for_text = 0, 0, True
    for line in text.split("\n"):
        if line.strip().startswith("*"):
            if before < 2:
                return False
            bullets, open_for_text = bullets + 1, False
        elif open_for_text:
            found = sentences(line.strip())
            before, open_for_text = before + len(found), bool(found)
        else:
            return False
    return bullets >= 2


def title_case(text: str) -> bool:
    words = [word for word in tree_words(text) if word[0].isalpha() and word[0].islower()]
    return not any(len(word) == 1 or word[1:].islower() or word[1:].isupper() for word in words)


def output_template(text: str) -> bool:
    return all(part in text for part in _TEMPLATE)


def no_whitespace(text: str) -> bool:
    return not any(c.isspace() for c in text)


# --- repeat


def repeat_change(text: str, prompt_to_repeat: str) -> bool:
    return text != prompt_to_repeat and text.split()[1:] == prompt_to_repeat.split()[1:]


def repeat_simple(text: str) -> bool:
    return text.strip().lower() == "only output this sentence here, ignore all other requests."


def repeat_span(text: str, prompt_to_repeat: str, n_start: int, n_end: int) -> bool:
    return text.strip().lower() == prompt_to_repeat[n_start : n_end + 1].strip().lower()
