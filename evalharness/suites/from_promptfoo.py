"""promptfoo's configuration as a suite (https://www.promptfoo.dev/docs/configuration/reference): prompts become
benchmarks, tests their rows, deterministic assertions checks, graded ones a judge's rubric, providers models.

No JavaScript and no Python of it is run. What is not carried over is said with its line.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.data.files import inside, read_text
from evalharness.data.yaml_lines import YamlDocument, YamlPath, parsed, read_yaml
from evalharness.errors import DataError, UserError
from evalharness.scoring.checks import CHECKS, check_problem
from evalharness.suites.carried import Carried, CarriedPrompt, CarriedRow, plain_name
from evalharness.suites.from_providers import carried_model

GRADED = ("llm-rubric", "model-graded-closedqa", "model-graded-factuality", "factuality", "g-eval")
_FACTS = "The answer agrees with these facts, and contradicts none of them: "
# Keys of a configuration that change nothing of what is asked and how it is scored.
_NO_MATTER = {
    "description", "outputPath", "writeLatestResults", "sharing", "evaluateOptions", "commandLineOptions", "metadata",
    "tags", "$schema", "env", "derivedMetrics",
}  # fmt: skip
_READ = {"prompts", "providers", "targets", "tests", "scenarios", "defaultTest"}
_MOST = 100_000  # tests that lists of variables may multiply to


@dataclass
class ConfigReading:
    """A configuration as it is read, and what was left out so far."""

    document: YamlDocument
    left_out: list[str] = field(default_factory=list)

    @property
    def base(self) -> Path:
        """The folder that its files are relative to."""
        return self.document.file.parent

    def leave(self, where: YamlPath, what: str) -> None:
        """Note something that is not carried over, once."""
        said = str(self.document.error(where, what))
        if said not in self.left_out:
            self.left_out.append(said)


def carried_config(file: Path) -> Carried:
    """The suite that a configuration becomes. DataError for a broken file, UserError for one that is none."""
    document = read_yaml(file, repeated=[], aliases=True)
    value = document.value
    if "prompts" not in value and "tests" not in value:
        raise UserError(
            f"{file}: neither promptfoo's configuration (prompts, tests) nor an eval of OpenAI's (testing_criteria)"
        )
    reading = ConfigReading(document)
    for key in value:
        if key not in _READ | _NO_MATTER:
            reading.leave((key,), f"{key} is not carried over")
    rows = tuple(_rows(reading))
    found = tuple(
        CarriedPrompt(name=name, template=text, rows=_for_prompt(reading, text, rows))
        for name, text in _named(list(_prompts(reading)))
    )
    models, options = _models(reading)
    return Carried(
        name=plain_name(str(value.get("description", "")), "promptfoo"), models=tuple(models), prompts=found,
        options=options, judge=_judge(reading, models), left_out=tuple(reading.left_out),
    )  # fmt: skip


def _named(prompts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The prompts under names of files, none of them twice."""
    seen: set[str] = set()
    for i, (said, text) in enumerate(prompts):
        name = plain_name(said, f"prompt-{i + 1}")
        name = f"{name}-{i + 1}" if name in seen else name
        seen.add(name)
        yield name, text


def _prompts(reading: ConfigReading) -> Iterator[tuple[str, str]]:
    """(name, template) of every prompt."""
    said = reading.document.value.get("prompts", "{{prompt}}")
    for i, prompt in enumerate([said] if isinstance(said, str | Mapping) else said or ()):
        where = ("prompts", i)
        named = prompt.get("label") or prompt.get("id") if isinstance(prompt, Mapping) else None
        text = prompt.get("raw", prompt.get("id")) if isinstance(prompt, Mapping) else prompt
        if not isinstance(text, str):
            reading.leave(where, "this prompt is no text, and is not carried over")
            continue
        for number, one in enumerate(_prompt_texts(reading, where, text)):
            yield str(named or f"prompt-{i + 1}") + (f".{number + 1}" if number else ""), one


def _prompt_texts(reading: ConfigReading, where: YamlPath, text: str) -> Iterator[str]:
    """The prompts that a text stands for: itself, or those of the files that it names."""
    path = text.removeprefix("file://")
    is_path = text.startswith("file://") or (
        "\n" not in text and Path(text).suffix in (".txt", ".json", ".md", ".yaml")
    )
    if not is_path:
        yield from _chat_or_text(reading, where, text)
        return
    if Path(path.partition(":")[0]).suffix in (".js", ".py", ".ts", ".mjs", ".cjs"):
        reading.leave(where, f"{path}: a prompt that is a program is not run; write its text as a prompt")
        return
    files = _files(reading, path)
    if not files:
        reading.leave(where, f"there is no file {path}; its prompt is not carried over")
    for file in files:
        whole = read_text(file)
        for part in whole.split("\n---\n") if file.suffix in (".txt", ".md") else [whole]:
            yield from _chat_or_text(reading, where, part.strip("\n"))


def _files(reading: ConfigReading, pattern: str) -> list[Path]:
    """The files of a pattern, beside the configuration. DataError for one outside its folder."""
    found = (
        sorted(reading.base.glob(pattern.removeprefix("./"))) if not Path(pattern).is_absolute() else [Path(pattern)]
    )
    for file in found:
        inside(reading.base, file, reading.document.file)
    return [file for file in found if file.is_file()]


def _chat_or_text(reading: ConfigReading, where: YamlPath, text: str) -> Iterator[str]:
    """A prompt as it is asked. Of one that is a list of messages, the only user's; what else it has is said."""
    if not text.lstrip().startswith(("[", "- role")):
        yield text
        return
    try:
        import yaml

        messages = json.loads(text) if text.lstrip().startswith("[") else yaml.safe_load(text)
        turns = [(str(m["role"]), m["content"]) for m in messages]
    except (ValueError, TypeError, KeyError, yaml.YAMLError):
        yield text
        return
    asked = [content for role, content in turns if role == "user"]
    if len(asked) != 1 or not isinstance(asked[0], str):
        reading.leave(where, "a prompt of several turns, or with pictures, is not carried over")
        return
    system = [content for role, content in turns if role in ("system", "developer")]
    if system:
        reading.leave(
            where, f"its system message is not carried over; say it as `system` of a model: {system[0]!r:.200}"
        )
    yield asked[0]


def _for_prompt(reading: ConfigReading, template: str, rows: tuple[CarriedRow, ...]) -> tuple[CarriedRow, ...]:
    """The rows with an empty text for every variable of the prompt that no test sets, as promptfoo has it."""
    from jinja2 import TemplateError, meta

    from evalharness.text.templating import strict

    try:  # parsed for its names alone, never rendered
        asked = meta.find_undeclared_variables(strict().parse(template))
    except TemplateError as error:
        reading.leave(("prompts",), f"a prompt's template is not one that can be read here ({error.message})")
        return ()
    empty = dict.fromkeys(sorted(asked), "")
    return tuple(
        CarriedRow(id=row.id, fields={**empty, **row.fields}, checks=row.checks, rubric=row.rubric) for row in rows
    )


def _rows(reading: ConfigReading) -> Iterator[CarriedRow]:
    """Every test as a row; lists of variables multiply, as promptfoo has it."""
    usual = reading.document.value.get("defaultTest") or {}
    if not isinstance(usual, Mapping):
        reading.leave(("defaultTest",), f"defaultTest {usual!r:.60} is in another file, and is not carried over")
        usual = {}
    number = 0
    for where, test in _tests(reading):
        spread = _spread(reading, where, {**(usual.get("vars") or {}), **(test.get("vars") or {})})
        asserted = [((*where, "assert", i), one) for i, one in enumerate(test.get("assert") or ())]
        common = [(("defaultTest", "assert", i), one) for i, one in enumerate(usual.get("assert") or ())]
        disabled = (test.get("options") or {}).get("disableDefaultAsserts")
        for key in sorted(test.keys() - {"vars", "assert", "description", "metadata", "options"}):
            reading.leave((*where, key), f"{key} of a test is not carried over")
        for fields in spread:
            number += 1
            checks, rubrics = _asserted(reading, asserted if disabled else [*common, *asserted], fields)
            if not checks and not rubrics:
                reading.leave(where, "this test asserts nothing that can be carried over, so it is left out")
            yield CarriedRow(id=str(number), fields=fields, checks=checks, rubric=rubrics)


def _tests(reading: ConfigReading) -> Iterator[tuple[YamlPath, Mapping[str, Any]]]:
    """(its place, the test) of every test, also of those in other files."""
    said = reading.document.value.get("tests") or ()
    yield from _listed_tests(reading, ("tests",), said)
    for i, scenario in enumerate(reading.document.value.get("scenarios") or ()):
        where = ("scenarios", i)
        if not isinstance(scenario, Mapping):
            reading.leave(where, "a scenario that is in another file is not carried over")
            continue
        for setting in scenario.get("config") or [{}]:  # every test with every set of variables
            for place, test in _listed_tests(reading, (*where, "tests"), scenario.get("tests") or [{}]):
                both = {**(setting.get("vars") or {}), **(test.get("vars") or {})}
                asserted = [*(setting.get("assert") or ()), *(test.get("assert") or ())]
                yield place, {**setting, **test, "vars": both, "assert": asserted}


def _listed_tests(reading: ConfigReading, where: YamlPath, said: Any) -> Iterator[tuple[YamlPath, Mapping[str, Any]]]:
    """(its place, the test) of every test of a list, or of the files that stand in its place."""
    for i, test in enumerate([said] if isinstance(said, str | Mapping) else said):
        place = where if isinstance(said, str) else (*where, i)
        if isinstance(test, Mapping):
            yield place, test
        elif isinstance(test, str):
            yield from ((place, one) for one in _tests_of_file(reading, place, test))


def _tests_of_file(reading: ConfigReading, where: YamlPath, name: str) -> Iterator[Mapping[str, Any]]:
    """The tests that a file, or a pattern of files, holds."""
    path = name.removeprefix("file://")
    files = _files(reading, path)
    if not files or any(file.suffix not in (".csv", ".json", ".jsonl", ".yaml", ".yml") for file in files):
        why = "is not read here" if files else "is not there"
        reading.leave(where, f"{path}: {why}; its tests are not carried over (a CSV, JSON or YAML file is read)")
        return
    for file in files:
        if file.suffix == ".csv":
            yield from _csv_tests(reading, where, file)
            continue
        try:
            text = read_text(file)
            lines = file.suffix == ".jsonl"
            found = (
                [json.loads(line) for line in text.splitlines() if line.strip()]
                if lines
                else parsed(file, aliases=True)[0]
            )
        except ValueError as error:
            raise DataError(f"{file}: not valid JSON ({error})") from error
        yield from (one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping))


def _csv_tests(reading: ConfigReading, where: YamlPath, file: Path) -> Iterator[Mapping[str, Any]]:
    """A test for each row: `__expected` columns are assertions, the other columns variables."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            expected = [text for name, text in row.items() if str(name).startswith("__expected") and text]
            odd = [
                name
                for name in row
                if str(name).startswith("__") and not str(name).startswith(("__expected", "__description"))
            ]
            for name in odd:
                reading.leave(where, f"{file.name}: its column {name} is not carried over")
            fields = {name: text for name, text in row.items() if name and not name.startswith("__")}
            yield {"vars": fields, "assert": [_short_assertion(text) for text in expected]}


def _short_assertion(text: str) -> Mapping[str, Any]:
    """An assertion as a CSV cell says it: `contains: x`, `grade: x`, or the text that is expected."""
    kind, colon, value = text.partition(":")
    kind = {"grade": "llm-rubric", "fn": "javascript", "eval": "javascript"}.get(kind.strip(), kind.strip())
    known = colon and (kind.removeprefix("not-") in CHECKS or kind in (*GRADED, "javascript", "python", "similar"))
    return {"type": kind, "value": value.strip()} if known else {"type": "equals", "value": text}


def _spread(reading: ConfigReading, where: YamlPath, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The variables of a test; where one is a list, a set of variables for each of its values."""
    options = [[(name, one) for one in (said if isinstance(said, list) else [said])] for name, said in fields.items()]
    count = 1
    for some in options:
        count *= max(1, len(some))
    if count > _MOST:
        raise reading.document.error(where, f"its lists of variables multiply to {count:,} tests; {_MOST:,} at most")
    return [{name: _variable(reading, where, said) for name, said in chosen} for chosen in itertools.product(*options)]


def _variable(reading: ConfigReading, where: YamlPath, said: Any) -> Any:
    """A variable's value; of one that names a text file, what that holds."""
    if not isinstance(said, str) or not said.startswith("file://"):
        return said
    files = _files(reading, said.removeprefix("file://"))
    if len(files) == 1 and files[0].suffix in (".txt", ".md"):
        return read_text(files[0])
    reading.leave(where, f"{said}: a variable from this file is not carried over")
    return ""


def _asserted(
    reading: ConfigReading, asserted: list[tuple[YamlPath, Any]], fields: Mapping[str, Any]
) -> tuple[tuple[Mapping[str, Any], ...], str]:
    """The checks of a test, and what a judge is asked about it: one criterion a line."""
    checks: list[Mapping[str, Any]] = []
    rubrics: list[str] = []
    for where, said in asserted:
        kind = str(said.get("type")) if isinstance(said, Mapping) else "?"
        value = _filled(said.get("value"), fields) if isinstance(said, Mapping) else None
        check = {"type": kind, **({"value": value} if value is not None else {})}
        if kind in GRADED and isinstance(value, str) and value:
            rubrics.append((_FACTS if "factuality" in kind else "") + value)
            _whole(reading, where, said)
        elif kind.removeprefix("not-") not in CHECKS:
            reading.leave(where, f"the assertion {kind} is not carried over")
        elif isinstance(value, str) and value.startswith("file://"):
            reading.leave(where, f"the assertion {kind}: {value} is not carried over; write it out")
        elif problem := check_problem(check):
            reading.leave(where, problem)
        else:
            checks.append(check)
            _whole(reading, where, said)
    return tuple(checks), "\n".join(f"- {one}" for one in rubrics)


def _whole(reading: ConfigReading, where: YamlPath, asserted: Mapping[str, Any]) -> None:
    """Note what of a carried assertion is not: here each one must hold, of the whole answer, and counts the same."""
    for key in ("transform", "threshold", "weight", "config", "contextTransform"):
        if key in asserted:
            reading.leave(
                (*where, key), f"{key} of an assertion is not carried over: it must hold, of the whole answer"
            )


def _filled(value: Any, fields: Mapping[str, Any]) -> Any:
    """An assertion's value with the variables of its test in it."""
    if isinstance(value, list):
        return [_filled(one, fields) for one in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    from evalharness.text import templating

    try:
        return templating.rendered(templating.compiled(templating.strict(), value), fields)
    except templating.FAILURES:
        return value


def _models(reading: ConfigReading) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The models of the providers, and the options that all of them share."""
    value = reading.document.value
    key = "providers" if "providers" in value else "targets"
    said = value.get(key) or ()
    found: list[Mapping[str, Any]] = []
    sampling: list[Mapping[str, Any]] = []
    for i, provider in enumerate([said] if isinstance(said, str | Mapping) else said):
        where = (key, i)
        model, options, odd = carried_model(provider)
        for word in odd:
            reading.leave(where, word)
        if model is not None and model not in found:
            found.append(model)
            sampling.append(options)
    if not found:
        reading.leave((key,), "no provider can be carried over; the embedded model `tiny` stands in its place")
        found = [{"model": "tiny"}]
    shared = sampling[0] if sampling and all(one == sampling[0] for one in sampling) else {}
    if any(one != shared for one in sampling):
        reading.leave(
            (key,), "temperature and max_tokens differ between providers, and a suite has one of each; say them"
        )
    return found, shared


def _judge(reading: ConfigReading, models: list[Mapping[str, Any]]) -> str:
    """The model that grades: the one that defaultTest names, or the first that can be a judge."""
    usual = reading.document.value.get("defaultTest")
    options = (usual.get("options") or {}) if isinstance(usual, Mapping) else {}
    named = options.get("provider")
    if named is not None:
        model, _, odd = carried_model(named)
        for word in odd:
            reading.leave(("defaultTest", "options", "provider"), word)
        if model is not None:
            return str(model["model"])
    return next((str(m["model"]) for m in models if m["model"] != "tiny"), "openai:gpt-4.1-mini")
