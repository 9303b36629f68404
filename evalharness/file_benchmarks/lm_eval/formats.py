"""`formats:`, `scorer:` and `TASK@FORMAT` of lm-evaluation-harness 0.5: how a question is put together from the fields
that `doc_to_*` name, and how the answer is read.

No published task file has them yet. This follows its format guide and lm_eval/config/formats of the pre-release
0.5.0.dev1 (https://pypi.org/project/lm-eval/0.5.0.dev1/).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

from evalharness.data.yaml_lines import Function, YamlDocument, YamlPath
from evalharness.errors import DataError, nearest

AT = "@"
_KEY = ("formats",)
_MAY_BE_NULL = {"instruction", "question_prefix", "answer_instruction", "gen_prefix"}


@dataclass(frozen=True, kw_only=True)
class PromptFormat:
    """How a prompt is laid out: instruction, question, choices with their labels, what asks for the answer. The texts
    are templates; `section_separator` stands before the choices and before the answer."""

    output_type: str = "multiple_choice"
    instruction: str | None = None
    question_prefix: str | None = "Question: "
    choice_labels: str | list[str] | None = "letters"
    choice_delimiter: str = "\n"
    section_separator: str = "\n"
    answer_instruction: str | None = None
    answer_prompt: str = "Answer:"
    gen_prefix: str | None = None
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    scorer: str | Mapping[str, Any] | None = None


PROMPT_FORMATS: Mapping[str, PromptFormat] = {
    "mcqa": PromptFormat(),
    "cloze": PromptFormat(choice_labels=None),
    "generate": PromptFormat(
        output_type="generate_until",
        instruction="Given the following question and {{ _num_choices }} candidate answers ({{ _choice_list_and }}), "
        "choose the best answer.\n",
        answer_prompt='Your response should end with "The best answer is [answer_letter]" where the [answer_letter] is '
        "one of {{ _choice_list_or }}.",
        gen_prefix="The best answer is",
        target_delimiter="\n",
        scorer="first_token",
    ),
    "cot": PromptFormat(
        output_type="generate_until",
        instruction="Given the following problem, reason step by step to find the final answer.\n",
        question_prefix="Problem: ",
        choice_labels=None,
        answer_prompt='Your response should end with "The final answer is [answer]" where [answer] is the response to '
        "the problem.",
        target_delimiter="\n",
        scorer="first_token",
    ),
}
_MATCH = {
    "metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True,
    "ignore_punctuation": True,
}  # fmt: skip
# The filters of each scorer; what is left is compared, case and punctuation aside.
SCORER_FILTERS: Mapping[str, list[Mapping[str, Any]]] = {
    "first_token": [{"function": "remove_whitespace"}],
    "regex": [{"function": "regex"}],
    "choice_match": [],
}
_TAKEN = {"function": "take_first"}


def formatted(document: YamlDocument, selection: str = "") -> YamlDocument:
    """The task file with the keys that its format and its scorer stand for. `selection` is the format that is asked for
    behind the task's name. DataError by file and line for one that does not exist, or that cannot be laid out."""
    name = str(document.value.get("task", ""))
    selection = selection or (name.rpartition(AT)[2] if AT in name else "")
    if document.value.get("formats") is not None or selection:
        document = _laid_over(document, _format_keys(document, selection), _KEY)
    if document.value.get("scorer") is not None:
        document = _laid_over(document, _scorer_keys(document), ("scorer",))
    return document


def _laid_over(document: YamlDocument, said: Mapping[str, Any], where: YamlPath) -> YamlDocument:
    """The document with other keys, each on the line of the one that stands for them."""
    kept = {key: one for key, one in document.value.items() if key != where[0]}
    lines = {place: line for place, line in document.lines.items() if not place or place[0] not in said}
    line = document.lines.get(where, 1)
    file = document.file_of(where)
    files = {key: one for key, one in document.files.items() if key not in said}
    if file != document.file:
        files |= dict.fromkeys(said, file)
    return replace(document, value={**kept, **said}, lines={**lines, **{(key,): line for key in said}}, files=files)


def _format_keys(document: YamlDocument, selection: str) -> Mapping[str, Any]:
    """What the chosen format puts in the place of `doc_to_*`, the delimiters and the kind of task."""
    if document.value.get("class") is not None:
        raise document.error(("class",), "a task that is a class lays out its own prompt; it takes no format")
    chosen = _chosen(document, document.value.get("formats"), selection)
    text, target, choices = (document.value.get(f"doc_to_{part}") for part in ("text", "target", "choice"))
    for part, said in (("text", text), ("target", target), ("choice", choices)):
        if isinstance(said, Function | Mapping):
            raise document.error((f"doc_to_{part}",), "a format wants the name of a field, or a template")
    layout = _Layout(chosen, "question" if text is None else text, "answer" if target is None else target, choices)
    found: dict[str, Any] = {
        "doc_to_text": layout.text(), "output_type": chosen.output_type, "target_delimiter": chosen.target_delimiter,
        "fewshot_delimiter": chosen.fewshot_delimiter,
    }  # fmt: skip
    if chosen.output_type == "multiple_choice":
        if layout.choices is None:
            raise document.error(_KEY, "this format wants doc_to_choice")
        found |= {"doc_to_target": layout.place(), "doc_to_choice": layout.ranked()}
    else:  # the choices stand in the question alone
        found |= {"doc_to_target": layout.answer(), "doc_to_choice": None}
    optional = {"gen_prefix": chosen.gen_prefix, "scorer": chosen.scorer}
    return found | {key: one for key, one in optional.items() if one is not None}


def _chosen(document: YamlDocument, said: Any, selection: str) -> PromptFormat:
    """The format that `formats:` and the task's name ask for: the name before the file."""
    if isinstance(said, Mapping) and "type" not in said:
        if not said or (selection and selection not in said):
            raise _unknown(document, selection or "", said)
        name = selection or next(iter(said))
        changes = said[name]
        name, changes = (changes, {}) if isinstance(changes, str) else (name, changes or {})
        where: YamlPath = (*_KEY, name)
    else:
        own = said if isinstance(said, Mapping) else {"type": said}
        name = selection or str(own["type"])
        changes = {key: one for key, one in own.items() if key != "type"} if name == own["type"] else {}
        where = _KEY
    if name not in PROMPT_FORMATS:
        raise _unknown(document, name, PROMPT_FORMATS)
    if not isinstance(changes, Mapping):
        raise document.error(where, "wanted what is changed of a format, by its fields")
    fields = {field.name: field.default for field in dataclasses.fields(PromptFormat)}
    for key, one in changes.items():
        if key not in fields:
            raise document.error((*where, key), f"a format has no field {key!r}{nearest(key, fields)}")
        if key == "choice_labels":
            right = one in ("letters", "numbers", None) or (
                isinstance(one, list) and all(isinstance(x, str) for x in one)
            )
        else:
            right = isinstance(one, str) or (one is None and key in _MAY_BE_NULL) or key == "scorer"
        if not right:
            raise document.error((*where, key), f"{key}: {one!r} is not read here")
    return replace(PROMPT_FORMATS[name], **changes)


def _unknown(document: YamlDocument, name: str, there: Mapping[str, Any]) -> DataError:
    return document.error(_KEY, f"there is no format {name!r}{nearest(name, there)}; there is {', '.join(there)}")


def _scorer_keys(document: YamlDocument) -> Mapping[str, Any]:
    """The filters and metrics of a scorer; those that the file has itself count before them."""
    said = document.value["scorer"]
    name = str(said.get("type") if isinstance(said, Mapping) else said)
    if name not in SCORER_FILTERS:
        there = nearest(name, SCORER_FILTERS) or f"; there is {', '.join(SCORER_FILTERS)}"
        raise document.error(("scorer",), f"the scorer {name!r} is not read{there}")
    if isinstance(said, Mapping) and said.get("kwargs"):
        raise document.error(("scorer", "kwargs"), f"the scorer {name} takes no kwargs")
    found: dict[str, Any] = {}
    if not document.value.get("filter_list"):
        found["filter_list"] = [{"name": "none", "filter": [*map(dict, SCORER_FILTERS[name]), dict(_TAKEN)]}]
    if not document.value.get("metric_list"):
        found["metric_list"] = [dict(_MATCH)]
    return found


@dataclass(frozen=True)
class _Layout:
    """The templates of a task's keys. `question`, `target` and `choices` are fields, or templates of their own."""

    format: PromptFormat
    question: str | int
    target: str | int
    choices: str | list[str] | None

    def text(self) -> str:
        form, listed = self.format, self._listed()
        choices = f"{form.section_separator}{self._shown(listed)}" if form.choice_labels and listed else ""
        written = "".join([
            form.instruction or "", form.question_prefix or "", _written(self.question), choices,
            form.section_separator, form.answer_instruction or "", form.answer_prompt,
        ])  # fmt: skip
        counted = form.choice_labels and listed and ("_num_choices" in written or "_choice_l" in written)
        return (self._counted(listed) if counted else "") + written

    def _listed(self) -> str:
        return "" if self.choices is None else _expression(self.choices)

    def _counted(self, listed: str) -> str:
        """What an instruction may name: how many choices there are, and their labels."""
        labels = (
            f"{{% set _num_choices = {listed}|length %}}{{% set _choice_labels = {self._labels('_num_choices')} %}}"
        )
        last = "_choice_labels[:-1]|join(', ') ~ ' {} ' ~ _choice_labels[-1]|string"
        return labels + "".join(f"{{% set _choice_list_{word} = {last.format(word)} %}}" for word in ("and", "or"))

    def _shown(self, listed: str) -> str:
        between = f"{{% if not loop.last %}}{self.format.choice_delimiter}{{% endif %}}"
        one = f"{{{{ {self._label('loop.index0')} }}}}. {{{{ choice }}}}"
        return f"{{% for choice in {listed} %}}{one}{between}{{% endfor %}}"

    def _label(self, place: str) -> str:
        labels = self.format.choice_labels
        return f"{place} + 1" if labels == "numbers" else f"{_spelled(labels)}[{place}]"

    def _labels(self, count: str) -> str:
        labels = self.format.choice_labels
        return f"range(1, {count} + 1)|list" if labels == "numbers" else f"{_spelled(labels)}[:{count}]|list"

    def place(self) -> str:
        """The place of the right choice: as it stands, or that of its text."""
        target = _expression(self.target)
        found = f"{{{{ {self._listed()}.index({target}) }}}}"
        return f"{{% if {target} is number %}}{_written(self.target)}{{% else %}}{found}{{% endif %}}"

    def ranked(self) -> str:
        """The choices that are ranked: their labels, or where there are none they themselves."""
        listed = self._listed()
        return f"{{{{ {self._labels(f'{listed}|length') if self.format.choice_labels else listed} }}}}"

    def answer(self) -> str:
        """The right answer as it is to be written: a label where there are letters or numbers, else the choice."""
        target, written = _expression(self.target), _written(self.target)
        if self.format.choice_labels in ("letters", "numbers"):
            numbered = self._label(target)
        elif self.choices is not None:
            numbered = f"{self._listed()}[{target}]"
        else:
            return written
        return f"{{% if {target} is number %}}{{{{ {numbered} }}}}{{% else %}}{written}{{% endif %}}"


def _spelled(labels: str | list[str] | None) -> str:
    return repr(ascii_uppercase) if labels == "letters" else repr(labels)


def _expression(said: str | int | list[str]) -> str:
    """A field or template as an expression within another template."""
    if not isinstance(said, str) or "{{" not in said:
        return str(said)
    inner = said.replace("{{", "").replace("}}", "").strip()
    return inner if inner.isidentifier() else f"({inner})"


def _written(said: str | int) -> str:
    return said.strip() if isinstance(said, str) and "{{" in said else f"{{{{{said}}}}}"
