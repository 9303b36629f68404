"""A text in Markdown: what is plain reads as it was written, and whatever is in it is shown and does nothing."""

import html
import random
import re

import pytest
from markdown_it import MarkdownIt

from evalharness.report.escape import markdown, plain_references

PLAIN = (
    "It's \"fine\": 3 < 4 & 5 > 2, isn't it?",
    "baselines/main.jsonl (6 items); evalh ci evals/suite.yaml --no-baseline create",
    "my_bench −1.2 points (80.0 → 78.8, n = 400), $0.02 → $0.03, 100 %!",
    "{a: 1} 2 * 3 = 6, x^2, (5) and 7. then",
    "replay:answers.jsonl and C:\\dir, issue # 5",
)
HOSTILE = (
    "<b>x</b>", "<!-- x -->", "*x* and **y**", "_x_ __y__ a_", "~~x~~", "`rm`", "[x](http://a.example)", "![x](y)",
    "# x", "- x", "+ x", "* x", "> x", "1. x", "2) x", "===", "---", ":--", "a|b", "a\\|b", "a\\", "\\<b>", "&lt;b>",
    "&#60;b>", "<https://a.example>", "$x$", "[^1]", "[ ] x", "a\\*b*", "`` ` ``", "|:--|",
)  # fmt: skip
PIECES = [*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a", "b1", " ", "**", "<b>", "&lt;", "- ", "1. ", "](", "<!--"]


def shown(text):
    """What a reader sees of a paragraph and of a table's cell, and the tags beside those of the two."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for page, wanted in (
        (parser.render(f"{text}\n"), r"<p>(.*?)</p>"),
        (parser.render(f"| a | b |\n|:--|--:|\n| {text} | x |\n"), r"<tbody>\s*<tr>\s*<td[^>]*>(.*?)</td>"),
    ):
        found = re.search(wanted, page, re.DOTALL)
        assert found, page
        yield html.unescape(found.group(1)).replace("\N{ZERO WIDTH SPACE}", "")
        tags = re.findall(r"</?(\w+)", page)
        assert set(tags) <= {"p", "table", "thead", "tbody", "tr", "th", "td"}, page


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_text_is_written_as_it_is(text):
    assert markdown(text) == text
    assert list(shown(text)) == [text, text]


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_is_shown_and_does_nothing(text):
    assert list(shown(markdown(text))) == [text, text]
    assert list(shown(plain_references(markdown(text)))) == [text, text]


def test_whatever_is_written_is_what_is_shown():
    draw = random.Random(7)
    for _ in range(300):
        text = " ".join("".join(draw.choices(PIECES, k=draw.randint(1, 12))).split())
        if text:
            assert list(shown(markdown(text))) == [text, text], text


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("ask @everyone", "@e"), ("see #12", "#1"), ("as !12", "!1"), ("https://a.example", "://"),
        ("www.a.example", "www."), ("a :tada: b", ":t"), ("x@a.example", "@a"), ("of &12 and %1", "&1"),
        ("as GH-26", "GH-"),
    ],
)  # fmt: skip
def test_what_is_looked_for_behind_markdown_is_broken(text, live):
    made = markdown(text)
    assert live not in made
    assert made.replace("&#8203;", "") == text


def test_gitlab_takes_no_line_for_a_command():
    assert markdown("/close") == "\\/close"
    assert markdown("a /close") == "a /close"
