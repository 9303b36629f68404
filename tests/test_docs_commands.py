"""Every command that the documentation shows is run, page by page and in the page's order, on a desk with what the
pages speak of (doc_desk.py). The few that want more than this machine are in PARSED, each with its reason, and are held
to the command line's parser, as all are in the everyday tests.
"""

import io
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import doc_desk
import pytest
import typer.main
from doc_commands import PAGES, Shown, commands
from stub_server import serve

from evalharness import cli, plugins
from evalharness.models import anthropic, gemini, openai

# What is not run here, by how it begins, and why.
PARSED = {
    r"demo$": "trains for half a minute: tests/commands/test_demo.py runs it",
    r"view(?! export)": "serves until it is stopped: tests/web runs it",
    r"arena serve": "serves until it is stopped: tests/web/test_arena.py runs it",
    r"arena export": "wants votes that people gave: tests/web/test_arena_kept.py gives some",
    r"run .*(vllm|sglang|llamacpp):": "starts an engine: tests/models/test_started_engines.py has a stand-in",
    r"run .*--engine ray": "wants a cluster: tests/executors runs it where Ray is installed",
    r"data pull": "fetches from the hub: tests/data stands in for it",
    r"reproduce .*--key": "wants somebody's SSH key: tests/evidence makes one",
    r"(preview|run) road_signs": "wants a package: tests/benchmarks/test_write_a_benchmark.py builds and installs it",
}
if find_spec("zstandard") is None:
    PARSED[r"import inspect"] = "wants the extra `inspect`: tests/importers runs it where that is installed"
# Pages whose blocks a test of their own runs to the letter, with the files that they show.
ELSEWHERE = {"replay.md": "tests/models/test_replay.py"}
# Words that stand for something, and what it is on the desk.
STANDS_FOR = [
    (r"\bRUN\.\.\.", "runs/a runs/b"), (r"\bRUN,RUN\b", "runs/a,runs/b"), (r"(?<![\w/])RUN\b", "base"),
    (r"--against BASE\b", "--against new"), (r"\[(--labels \S+)\]", r"\1"), (r"\b(mmlu|gsm8k)=FOLDER", r"\1=data/\1"),
    (r"(\bgsm8k\b.*)--data FOLDER", r"\1--data data/gsm8k"), (r"(\bmmlu\b.*)--data FOLDER", r"\1--data data/mmlu"),
    (r"--data FOLDER", "--data sample"), (r"--data DIR", "--data alpaca"), (r"--base-url \.\.\.", "--base-url URL"),
    (r"http://localhost:8000/v1", "URL"), (r"s3://bucket", "memory://bucket"), (r"\$SLURM_ARRAY_TASK_ID", "3"),
    (r"plan gsm8k (.*--from)", r"plan mmlu \1"), (r"--benchmark gsm8k", "--benchmark mmlu"),
    (r"doctor openai:my-model", "doctor openai:truthful"), (r"openai:my-base", "openai:truthful"),
    (r"--budget-items 2000", "--budget-items 100"), (r"[\[\]]", ""),
]  # fmt: skip
# What a command adds here to be short, or because the data that it has by itself are on the hub.
ADDED = [
    (r"run (?!.*(--limit|--budget-items|--shard|suite\.yaml))", "--limit 4"),
    (r"finetune ", "--max-steps 2"),
    (r"finetune (?!.*--out)", "--out another"),
    (r"finetune .*--eval gsm8k", "--eval-data gsm8k=data/gsm8k"),
    (r"finetune .*--guard", "--eval-data mmlu=data/mmlu --eval-data gsm8k=data/gsm8k --eval-data ifeval=sample"),
    (r"run mmlu (?!.*--data)", "--data data/mmlu"),
    (r"run (gsm8k|lambada|alpaca_eval|humaneval) (?!.*--data)", "--data sample"),
    (r"run .*--max-cost", "--price-in 1 --price-out 2"),
    (r"judge (audit|calibrate)", "--judging score=openai:gpt-4o"),
    (r"forget (?!.*--data)", "--data sample"),
]
# What has to be there before a command, made by commands.
BEFORE = {
    r"run .*--against main": ["run humaneval --model local:tuned --samples 10 --temperature 0.8 --limit 4 --data sample"
                              " --name h", "baseline set h"],
    r"ci suite.yaml": ["init .", "ci suite.yaml --no-baseline create"],
    r"ci merge": ["init here", *(f"ci here/suite.yaml --no-baseline create --report reports/job-{n}" for n in "12")],
    r"uncertainty runs/mmlu": ["run mmlu --model local:DIR --limit 200 --data data/mmlu --name mmlu"],
    r"history .*--revisions": ["baseline set base"],
    r"import lm_eval": ["export ours lm_eval --to output/my__model"],
    r"merge big": [f"run mmlu --model local:DIR --data data/mmlu --name big --shard {n}/8" for n in range(1, 9)],
    r"compare memory": [f"run mmlu --model {model} --data data/mmlu --limit 4 --runs memory://bucket/runs --name {name}"
                        for model, name in (("local:tuned", "base"), ("openai:a", "a"), ("openai:b", "b"))],
}  # fmt: skip
# Exit codes besides 0, where the answer is no failure of the command.
CODES = {r"compare .*--gate|forget .*--gate": {1}}


def parse(line: str) -> list[str]:
    """The words of a command line, held to the parser. UsageError for an option that is none, or a value that is no
    choice or number of it."""
    name, *rest = cli.with_batch_api(Shown("", "", line).words)
    assert name in cli.COMMANDS, f"there is no command {name!r}"
    command = typer.main.get_command(cli.application(name))
    command = getattr(command, "commands", {}).get(name, command)
    if inner := getattr(command, "commands", None):
        if rest and rest[0] in inner:
            command, rest = inner[rest[0]], rest[1:]
        elif "RUN" in inner:
            command = inner["RUN"]  # `evalh judge A-RUN`: the group's own work
    command.make_context(name, list(rest), resilient_parsing=False)
    return [name, *rest]


def as_here(shown: Shown) -> str:
    """The command with what its words stand for."""
    line = shown.line
    for pattern, what in STANDS_FOR:
        line = re.sub(pattern, what, line)
    return line.replace("URL", "http://localhost:8000/v1")


def shown_on(page: Path) -> list[Shown]:
    """What a page shows to be typed, each once."""
    return list(dict.fromkeys(shown for shown in commands(page) if not shown.is_usage and shown.line != "evalh"))


WITH_COMMANDS = [page for page in PAGES if shown_on(page)]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_every_command_shown_is_one_that_the_parser_takes(page):
    wrong = []
    for shown in shown_on(page):
        try:
            parse(as_here(shown))
        except Exception as error:
            message = getattr(error, "format_message", None)
            if message is None:
                raise
            wrong.append(f"{shown.line}: {message()}")
    assert not wrong, "\n".join(wrong)


def test_every_reason_not_to_run_a_command_is_of_one_that_is_shown():
    lines = [shown.line.removeprefix("evalh ") for page in PAGES for shown in shown_on(page)]
    assert [pattern for pattern in PARSED if not any(re.match(pattern, line) for line in lines)] == []
    assert all(
        (doc_desk.ROOT / named).exists() for why in PARSED.values() for named in re.findall(r"tests/\S+?(?= )", why)
    )


@pytest.fixture(scope="module")
def endpoint():
    with serve(doc_desk.Endpoint()) as stub:
        yield stub


@pytest.fixture(scope="module")
def template(tmp_path_factory, endpoint):
    """The desk as every page finds it."""
    desk = tmp_path_factory.mktemp("desk")
    doc_desk.lay(desk)
    before = Path.cwd()
    os.chdir(desk)
    try:
        for name in "abcd":
            model = f"openai:{name}@{endpoint.url}"
            words = ["run", "mmlu", "--data", "data/mmlu"]
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("OPENAI_API_KEY", "k")
                patch.setattr("sys.argv", ["evalh", *words, "--model", model, "--name", name])
                assert cli.guarded([*words, "--model", model, "--name", name]) == 0
    finally:
        os.chdir(before)
    doc_desk.after_runs(desk)
    return desk


@pytest.fixture
def desk(template, tmp_path, endpoint, monkeypatch):
    """A desk of one's own, where providers' addresses are those of a stand-in."""
    place = tmp_path / "desk"
    shutil.copytree(template, place)
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(key, "k")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(place / "packages")
    monkeypatch.setenv("PYTHONPATH", str(place / "packages"))  # of the processes that a command starts
    monkeypatch.setattr(plugins, "_named_files", {})
    for module, name in ((openai, "OPENAI"), (anthropic, "ANTHROPIC"), (gemini, "GEMINI")):
        monkeypatch.setattr(module, name, endpoint.url)
    return place


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in WITH_COMMANDS if page.name not in ELSEWHERE], ids=lambda page: page.name
)
def test_what_a_page_shows_to_be_typed_runs(page, desk, endpoint, evalh, monkeypatch):
    monkeypatch.chdir(desk)

    def run(line):
        words = Shown("", "", line.replace("http://localhost:8000/v1", endpoint.url)).words
        make_room(desk, line)
        monkeypatch.setattr("sys.argv", ["evalh", *words])
        monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n"))  # for whoever talks with a model
        return evalh(*words)

    wrong = []
    for shown in shown_on(page):
        line = as_here(shown).removeprefix("evalh ")
        if any(re.match(pattern, line) for pattern in PARSED):
            continue
        for pattern, lines in BEFORE.items():
            for first in lines if re.match(pattern, line) else ():
                assert (made := run(f"evalh {first}")).code == 0, (shown.line, first, made.err)
        for pattern, more in ADDED:
            line += f" {more}" if re.match(pattern, line) else ""
        said = run(f"evalh {line}")
        allowed = {0}.union(*(codes for pattern, codes in CODES.items() if re.match(pattern, line)))
        if said.code not in allowed:
            wrong.append(f"{shown.line}: exit {said.code} of {line}: {said.err[-400:]}")
    assert not wrong, "\n".join(wrong)


def make_room(desk, line):
    """Take away what a command makes under a name that it says, and keep the rest in git where it reads revisions."""
    for name in re.findall(r"--name (\S+)", line):
        shutil.rmtree(desk / "runs" / name, ignore_errors=True)
    if "--no-baseline create" in line:
        shutil.rmtree(desk / "baselines", ignore_errors=True)
    if found := re.search(r"--out (\S+)|evalh init ?([^-]\S*)?", line):
        shutil.rmtree(desk / (found[1] or (found[2] or "evals").replace(".", "none")), ignore_errors=True)
    if re.search(r"-ref |--revisions", line):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        for words in (
            ["init", "-q", "-b", "main"],
            ["add", "-A"],
            [*who, "commit", "-q", "-m", "now", "--allow-empty"],
        ):
            subprocess.run(["git", *words], cwd=desk, check=True)
