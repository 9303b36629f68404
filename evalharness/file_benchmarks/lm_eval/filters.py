"""`filter_list`: what is kept of the answers to one question before they are measured (lm_eval/filters, 0.4.13)."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from evalharness.data.yaml_lines import Function, YamlPath
from evalharness.errors import nearest
from evalharness.file_benchmarks.lm_eval.code import TaskCode
from evalharness.file_benchmarks.lm_eval.config import TaskConfig
from evalharness.text.patterns import Pattern, pattern_of

NO_FILTER = "none"  # its name where the task names none
NOTHING_FOUND = "[invalid]"  # what stands where an expression finds nothing
_HASHES = r"#### (\-?[0-9\.\,]+)"
# (what is left, the row) -> what is left of it; a list of answers, or one answer once `take_first` took it
FilterStep = Callable[[Any, Mapping[str, Any]], Any]
OPTIONS: Mapping[str, set[str]] = {
    "regex": {"regex_pattern", "group_select", "fallback"},
    "regex_pos": {"regex_pattern", "group_select", "fallback"},
    "multi_choice_regex": {
        "regex_pattern", "group_select", "fallback", "ignore_case", "ignore_punctuation", "regexes_to_ignore",
    },
    "remove_whitespace": set(),
    "lowercase": set(),
    "uppercase": set(),
    "map": {"mapping_dict", "default_value"},
    "format_span": set(),
    "take_first": set(),
    "take_first_k": {"k"},
    "majority_vote": set(),
    "custom": {"filter_fn"},
}  # fmt: skip


@dataclass(frozen=True)
class Pipeline:
    """The steps of one entry of `filter_list`, in their order. `wants_doc`: one of them reads the row; `together`: they
    make one answer of several to a question, `at_least` of so many."""

    name: str
    steps: tuple[FilterStep, ...]
    wants_doc: bool = False
    own_fallback: bool = True
    together: bool = False
    at_least: int = 1

    def left_of(self, answers: Sequence[str], doc: Mapping[str, Any]) -> Any:
        """What is left of the answers to one question. SlowPatternError where an expression takes too long."""
        left: Any = list(answers)
        for step in self.steps:
            left = step(left, doc)
        return left

    def unread(self, left: Any) -> bool:
        """Whether nothing was found in the answer, and the task has no word of its own for that."""
        one = left[0] if isinstance(left, list) and left else left
        return not self.own_fallback and bool(one == NOTHING_FOUND)


@dataclass(frozen=True)
class _Steps:
    config: TaskConfig
    code: TaskCode

    def step(self, where: YamlPath, said: Mapping[str, Any]) -> FilterStep:
        name = said.get("function")
        if isinstance(name, Function):
            return self._own(where, "function", {k: v for k, v in said.items() if k != "function"})
        if not isinstance(name, str) or name not in OPTIONS:
            there = nearest(str(name), OPTIONS) or f"; there is {', '.join(OPTIONS)}"
            raise self.config.document.error(where, f"the filter {name!r} is not read{there}")
        for key in said:
            if key not in {"function", *OPTIONS[name]}:
                known = nearest(key, OPTIONS[name])
                raise self.config.document.error((*where, key), f"the option {key!r} is not read{known}")
        try:
            return self._known(where, name, said)
        except ValueError as error:
            raise self.config.document.error((*where, "regex_pattern"), str(error)) from error

    def _known(self, where: YamlPath, name: str, said: Mapping[str, Any]) -> FilterStep:
        simple: Mapping[str, Callable[[Any], Any]] = {
            "lowercase": str.lower, "uppercase": str.upper, "format_span": entity_spans, "remove_whitespace": str.strip,
        }  # fmt: skip
        if name in simple:
            return _each(simple[name])
        if name == "take_first":
            return lambda left, doc: left[0] if left else ""
        if name == "take_first_k":
            return lambda left, doc: left[: int(said.get("k", 1))]
        if name == "majority_vote":
            return lambda left, doc: [Counter(map(_hashable, left)).most_common(1)[0][0]]
        if name == "map":
            known, other = dict(said.get("mapping_dict") or {}), said.get("default_value")
            return _each(lambda text: known.get(text, other))
        if name == "custom":
            return self._own(where, "filter_fn", {})
        if name == "regex_pos":
            return _each(_tags)
        expression, group = pattern_of(str(said.get("regex_pattern", _HASHES))), int(said.get("group_select", 0))
        fallback = said.get("fallback", NOTHING_FOUND)
        if name == "regex":
            return _each(lambda text: _found(expression, group, fallback, text))
        return _choice_step(expression, group, fallback, said)

    def _own(self, where: YamlPath, key: str, options: Mapping[str, Any]) -> FilterStep:
        function = self.config.function(*where, key)
        if function is None:
            raise self.config.document.error((*where, key), f"wanted !function MODULE.NAME under {key}")
        named = self.code.named(function)
        return lambda left, doc: self.code.call(
            "filter", function, function=named, options=dict(options), answers=left, doc=dict(doc)
        )


def pipeline_names(config: TaskConfig) -> tuple[str, ...]:
    """The names of `filter_list`'s entries in their order."""
    return tuple(str(entry.get("name", NO_FILTER)) for entry in config.get("filter_list") or []) or (NO_FILTER,)


def pipelines(config: TaskConfig, code: TaskCode) -> tuple[Pipeline, ...]:
    """Those of `filter_list`; where there is none, the first answer is taken. DataError by its line for what is not
    read."""
    listed = config.get("filter_list")
    if not listed:
        return (Pipeline(NO_FILTER, (lambda left, doc: left[0] if left else "",)),)
    steps, made = _Steps(config, code), []
    for i, (name, entry) in enumerate(zip(pipeline_names(config), listed, strict=True)):
        said = entry.get("filter") or []
        where = [("filter_list", i, "filter", place) for place in range(len(said))]
        names = [one.get("function") for one in said]
        kinds = set(names)
        searched = [one for one in said if one.get("function") in ("regex", "multi_choice_regex")]
        made.append(
            Pipeline(
                name=name,
                steps=tuple(steps.step(at, one) for at, one in zip(where, said, strict=True)),
                wants_doc=any(isinstance(kind, Function) for kind in kinds)
                or bool({"custom", "multi_choice_regex"} & kinds),
                own_fallback=all("fallback" in one for one in searched),
                together=names[:1] != ["take_first"] and bool({"majority_vote", "take_first_k"} & set(names)),
                at_least=max([1, *(int(one.get("k", 1)) for one in said if one.get("function") == "take_first_k")]),
            )
        )
    return tuple(made)


def _each(change: Callable[[Any], Any]) -> FilterStep:
    return lambda left, doc: [change(one) for one in left] if isinstance(left, list) else change(left)


def _hashable(one: Any) -> Any:
    return tuple(one) if isinstance(one, list) else one


def _found(expression: Pattern, group: int, fallback: Any, text: Any) -> Any:
    """The text of one match: of its first group that took part where it has groups."""
    matches = expression.matches(text if isinstance(text, str) else "")
    if not matches:
        return fallback
    if not -len(matches) <= group < len(matches):
        return fallback
    whole, *groups = matches[group]
    match = (groups or [whole])[0] if len(groups) < 2 else next((part for part in groups if part), fallback)
    return match.strip() if isinstance(match, str) else match


_TAGGED = re.compile(r"\('([^']*)', '([^']*)'\)")


def _tags(text: Any) -> list[str]:
    """The second parts of pairs as Python writes them."""
    return [tag for _, tag in _TAGGED.findall(text if isinstance(text, str) else "")] or ["invalid"]


@cache
def _punctuation() -> dict[int, None]:
    return dict.fromkeys(i for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P"))


def _choice_step(expression: Pattern, group: int, fallback: Any, said: Mapping[str, Any]) -> FilterStep:
    """A letter in brackets: by the expression, else by the text of a choice that stands in the answer, else by a letter
    after a colon."""
    ignored = [pattern_of(str(one)) for one in said.get("regexes_to_ignore") or ()]

    def plain(text: str) -> str:
        for one in ignored:
            text = one.sub("", text)
        text = text.lower() if said.get("ignore_case") else text
        return text.translate(_punctuation()) if said.get("ignore_punctuation") else text

    def step(left: Any, doc: Mapping[str, Any]) -> Any:
        letters = {plain(str(choice).strip()): f"({chr(65 + i)})" for i, choice in enumerate(doc["choices"])}
        texts = sorted((re.escape(text) for text in letters), key=len, reverse=True)
        by_text = pattern_of("|".join(texts))
        by_letter = pattern_of(rf":[\s]*({'|'.join(chr(65 + i) for i in range(len(doc['choices'])))})")

        def one(text: Any) -> Any:
            said_text = text if isinstance(text, str) else ""
            match = _found(expression, group, "", said_text)
            if not match:
                match = _found(by_text, group, "", plain(said_text))
                match = letters.get(match, match)
            if not match:
                letter = _found(by_letter, group, "", said_text)
                match = f"({letter})" if letter else ""
            return match or fallback

        return [one(text) for text in left] if isinstance(left, list) else one(left)

    return step


_LABELS = {
    "person": "PER", "location": "LOC", "organization": "ORG", "counties": "LOC", "places": "LOC", "people": "PER",
    "persons": "PER", "company": "ORG", "country": "LOC", "continent": "LOC", "time": "DATE", "date": "DATE",
    "per": "PER", "loc": "LOC", "org": "ORG",
}  # fmt: skip
_ENTITIES = re.compile(r"\b(PER|LOC|ORG|DATE):\s*([^$]+)")


def entity_spans(text: str) -> str:
    """Named entities in one form: `per: kenyatta $ loc: nairobi`."""
    text = text.lower()
    for word, label in _LABELS.items():
        text = re.sub(rf"\b{word}\s*:", f"{label}:", text)
    text = text.replace("$$", "$").rstrip("$").replace("\n", "$").strip()
    found = []
    for label, values in _ENTITIES.findall(text):
        found += [f"{label.lower()}: {one.strip()}" for one in values.split(",") if one.strip().lower() != "none"]
    return " $ ".join(found)
