"""`evalh demo` is a script over the commands: it says each one, runs it as typed, and stops at the first that fails."""

import json
import shlex

from evalharness import cli, tiny


def typed(evalh, monkeypatch, codes):
    calls = []
    real = cli.guarded

    def record(arguments):
        if arguments[0] == "demo":
            return real(arguments)
        calls.append(arguments)
        return codes.pop(0)

    monkeypatch.setattr(cli, "guarded", record)
    return calls, evalh("demo", "--folder", "here")


def test_it_runs_what_it_says(evalh, monkeypatch, tmp_path):
    calls, said = typed(evalh, monkeypatch, [0, 0, 0, 0])
    assert said.code == 0
    shown = [shlex.split(line[2:]) for line in said.out.splitlines() if line.startswith("$ evalh")]
    assert [line[1:] for line in shown[:4]] == calls
    assert [call[0] for call in calls] == ["run", "finetune", "run", "compare"]
    after = said.out.partition("model of your own")[2]
    assert [line.startswith("$ ") for line in after.strip().splitlines()[1:]] == [True] * 3
    copied = tmp_path / "here" / "instructions.jsonl"
    assert json.loads(copied.read_text().splitlines()[0]) == json.loads(tiny.INSTRUCTIONS.read_text().splitlines()[0])


def test_it_stops_where_a_command_fails(evalh, monkeypatch):
    calls, said = typed(evalh, monkeypatch, [0, 3, 0, 0])
    assert said.code == 3 and len(calls) == 2
