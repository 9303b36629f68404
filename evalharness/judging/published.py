"""The judge prompts that benchmarks' authors published, read from their own files; and whether a figure is comparable.

None of these prompts is in this package. They are read from a folder or file, or from the hub (`hub:OWNER/NAME/FILE`,
`@COMMIT` behind NAME): `judge_prompts.jsonl` of MT-bench (lm-sys/FastChat), `alpaca_eval_clf.txt` of AlpacaEval
(tatsu-lab/alpaca_eval), `judge_config.yaml` of Arena-Hard (lmarena/arena-hard-auto).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evalharness.benchmark import Benchmark
from evalharness.data.files import jsonl, read_text
from evalharness.errors import DataError, UserError, option_name
from evalharness.judge import Judge, JudgeCase, JudgeItem, Order
from evalharness.records import Message
from evalharness.runs.manifest import BenchmarkFacts, JudgingFacts

PUBLISHED = "published"
PROMPTS, CLF, _CONFIG = "judge_prompts.jsonl", "alpaca_eval_clf.txt", "judge_config.yaml"
# The file that holds the prompt of each judge whose reply is read as its authors' is.
_FILES = {"score/10": PROMPTS, "pairwise": PROMPTS, "pairwise_logprob": CLF, "pairwise/five": _CONFIG}
_PLACE = re.compile(r"\{(\w+)\}")
_CHATML = re.compile(r"<\|im_start\|>(system|user)\n(.*?)\n?<\|im_end\|>", re.DOTALL)
Sections = tuple[tuple[str, str], ...]


def with_published(judge: Judge, spec: str, folders: Sequence[str]) -> Judge:
    """The judge with its authors' prompt. `spec` is `published`, sought in the run's data `folders`, or
    `published=PATH`. UserError where this judge has none, or the file is nowhere; DataError for another file."""
    word, _, where = spec.partition("=")
    if word != PUBLISHED:
        raise UserError(f"{option_name('judge_template')} wants published or published=PATH; there is {spec!r}")
    if judge.name not in _FILES:
        raise UserError(f"the judge {judge.name} has no published prompt; these have: {', '.join(_FILES)}")
    file = _file(_FILES[judge.name], [where] if where else list(folders))
    prompts = _prompts(file)
    reads = tuple(how for how in judge.scale.reads if how != "schema")
    text = json.dumps(prompts, sort_keys=True, ensure_ascii=False)

    def messages(case: JudgeCase, part: JudgeItem, order: Order) -> tuple[Message, ...]:
        name = _which(prompts, judge, part)
        fields = _fields(case, part, order)
        return tuple(_filled(role, text, fields, file) for role, text in prompts[name] if text.strip())

    longest = max(judge.max_tokens, 2048) if judge.max_tokens > 1 else 1
    scale = replace(judge.scale, reads=reads)
    return replace(judge, template=text, scale=scale, max_tokens=longest, messages=messages)


def _file(name: str, places: Sequence[str]) -> Path:
    for place in places:
        if place.startswith("hub:"):
            return _from_hub(place)
        path = Path(place)
        if path.is_file():
            return path
        found = sorted(path.rglob(name)) if path.is_dir() else []
        if found:
            return found[0]
    raise UserError(
        f"{option_name('judge_template', 'published')}: there is no {name} in {', '.join(places) or 'the data'}; "
        f"give it: {option_name('judge_template', PUBLISHED)}=PATH (the authors' file, or a folder that holds it)"
    )


def _from_hub(place: str) -> Path:
    from huggingface_hub import hf_hub_download

    found = re.fullmatch(r"hub:([\w.-]+/[\w.-]+)(?:@(\w+))?/(.+)", place)
    if found is None:
        raise UserError(f"{option_name('judge_template')}: wanted hub:OWNER/NAME[@COMMIT]/FILE; there is {place!r}")
    try:
        return Path(hf_hub_download(found[1], found[3], revision=found[2], repo_type="dataset"))
    except (OSError, ValueError) as error:
        raise UserError(f"{place}: cannot be had from the hub ({' '.join(str(error).split())[:200]})") from error


def _prompts(file: Path) -> dict[str, Sections]:
    """The prompts of a file by name, each as (role, text)."""
    if file.suffix == ".jsonl":
        try:
            return {
                row["name"]: (("system", row["system_prompt"]), ("user", row["prompt_template"])) for row in jsonl(file)
            }
        except KeyError as error:
            raise DataError(
                f"{file}: wanted prompts with name, system_prompt, prompt_template; {error} lacks"
            ) from error
    text = read_text(file)
    if file.suffix in (".yaml", ".yml"):
        return {"": _of_config(text, file)}
    sections = tuple((role, said) for role, said in _CHATML.findall(text))
    if not sections:
        raise DataError(f"{file}: wanted a prompt with <|im_start|>system and user sections; there is none")
    return {"": sections}


def _of_config(text: str, file: Path) -> Sections:
    import yaml

    try:
        config = yaml.safe_load(text)
        template = config["prompt_template"]
        user = "\n".join(template) if isinstance(template, list) else template
        return ("system", str(config["system_prompt"])), ("user", str(user))
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DataError(f"{file}: wanted YAML with system_prompt and prompt_template") from error


def _which(prompts: Mapping[str, Sections], judge: Judge, part: JudgeItem) -> str:
    """MT-bench has a prompt for one turn and for two, with a reference and without."""
    if "" in prompts:
        return ""
    kind, turns = "pair" if judge.kind == "pairwise" else "single", len(part.turns)
    version = "math-v1" if part.reference is not None else "v2" if kind == "pair" else "v1"
    name = f"{kind}-{version}" + ("-multi-turn" if turns > 1 else "")
    if name not in prompts:
        raise DataError(f"the published prompts have no {name!r}; there is {', '.join(prompts)}")
    return name


def _fields(case: JudgeCase, part: JudgeItem, order: Order) -> dict[str, str]:
    """What stands in for the authors' placeholders, whose names differ."""
    against = case.against or ()
    first, second = (part.turns, against) if order in ("AB", "") else (against, part.turns)
    references = [str(r) for r in case.extra.get("references") or ()] or ([part.reference] if part.reference else [])
    found = dict(_numbered("question", [asked for asked, _ in part.turns]))
    found |= dict(_numbered("ref_answer", references))
    found |= {
        **dict(_numbered("answer_a", [a for _, a in first])),
        **dict(_numbered("answer_b", [a for _, a in second])),
    }
    found |= {"instruction": part.turns[0][0], "output_1": first[-1][1], "question": part.turns[0][0]}
    if second:
        # Arena-Hard's answer_1 and answer_2 are those of the two models, MT-bench's those of the two turns.
        return found | {"output_2": second[-1][1], "answer_1": first[-1][1], "answer_2": second[-1][1]}
    return found | dict(_numbered("answer", [a for _, a in first])) | {"answer": first[-1][1]}


def _numbered(name: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    if texts:
        yield name, texts[0]
    yield from ((f"{name}_{i}", text) for i, text in enumerate(texts, 1))


def _filled(role: str, text: str, fields: Mapping[str, str], file: Path) -> Message:
    """Every placeholder filled in one pass: what a model wrote is never read as template."""

    def value(found: re.Match[str]) -> str:
        name = found[1].lower()
        if name not in fields:
            raise DataError(f"{file}: the prompt asks for {{{found[1]}}}, which this judge has not")
        return fields[name]

    return Message("system" if role == "system" else "user", _PLACE.sub(value, text))


def reasons(benchmark: Benchmark, facts: BenchmarkFacts, judged: JudgingFacts) -> tuple[str, ...] | None:
    """Why a judged figure is not comparable with the benchmark's leaderboard: none where it is, None without one."""
    board = benchmark.leaderboard
    if board is None:
        return None
    found = []
    seats = judged.seats
    if any(seat.judge != benchmark.judge for seat in seats):
        found.append(f"another judge than the board's {benchmark.judge}")
    if any(not seat.template for seat in seats):
        found.append("not the authors' prompt (--judge-template published)")
    models = [str(seat.model).removeprefix("openai:").partition("@")[0] for seat in seats]
    if any(model != board.judge_model for model in models):
        found.append(f"judged by {', '.join(models)}, the board by {board.judge_model}")
    if facts.items != benchmark.items:
        found.append(f"{facts.items} of {benchmark.items} items")
    if board.baseline and board.baseline not in judged.against:
        found.append(f"not compared with the answers of {board.baseline}")
    return tuple(found)
