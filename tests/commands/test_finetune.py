"""`evalh finetune` from data to a checkpoint: resumed after a kill, exported for others, refused where it must be."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import BAR, BAR_TRAINED, apart
from safetensors.torch import load_file
from stub_server import serve

from evalharness.cli import guarded
from evalharness.engine import checkpoint
from evalharness.engine.config import parse_config
from evalharness.engine.decoder import Decoder, initialise
from evalharness.errors import UserError
from evalharness.training import callbacks, checkpointing, curves, export, prepare
from evalharness.training import step as train
from evalharness.training.export import TOLERANCE
from evalharness.training.selection import Best

TAGS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with a byte tokenizer."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("base")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(tag, special=True) for tag in TAGS])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "add_bos_token": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    raw = {
        "model_type": "llama", "vocab_size": 264, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": True,
        "architectures": ["LlamaForCausalLM"], "eos_token_id": 257,
    }  # fmt: skip
    made = Decoder(parse_config(raw))
    initialise(made, torch.Generator().manual_seed(0), std=0.08)
    checkpoint.save_decoder(made, folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    letters = "abcdefgh"
    rows = [{"instruction": "say", "input": a + b, "output": "yes"} for a in letters for b in letters]
    file = tmp_path / "data.json"
    file.write_text(json.dumps(rows))
    return file


def command(data: Path, base: Path, out: Path, *more: str) -> list[str]:
    quick = ["--max-length", "128", "--style", "chatml", "--batch", "8", "--answer-tokens", "4", "--threads", "1"]
    return ["finetune", str(data), "--model", str(base), "--out", str(out), *quick, "--json", *more]


def tuned(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = guarded(arguments)
    found = capsys.readouterr()
    assert code == 0, found.err
    return json.loads(found.out)


def test_from_data_to_a_checkpoint_that_others_load(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    found = tuned(command(data, base, out, "--epochs", "6", "--lr", "0.01"), capsys)
    first, last = found["evaluations"][0], found["evaluations"][-1]
    assert last["validation_loss"] < first["validation_loss"] / 2
    assert found["read_back_difference"] <= TOLERANCE  # a share of the largest log-probability
    for name in ("log.jsonl", "curves.png", "curves.html", "training.json"):
        assert (out / "training" / name).stat().st_size > 100
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert len(results) == 6
    assert all(r["response"]["finish"] == "stop" for r in results)  # it has learned to end its answers
    assert sum(r["response"]["text"] == r["sample"]["answers"][0] for r in results) == 6
    config = json.loads((out / "tokenizer_config.json").read_text())
    assert "<|im_start|>" in config["chat_template"]
    assert 'PARAMETER stop "<|im_end|>"' in (out / "Modelfile").read_text()
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(out).eval()
    ids = torch.randint(0, 260, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(out)(ids), theirs(ids).logits) < BAR
    again = tuned(command(data, base, out, "--epochs", "6", "--lr", "0.01"), capsys)
    assert again["steps"] == found["steps"]
    assert guarded(command(data, base, out, "--epochs", "7", "--lr", "0.01")) == 2
    assert "holds another training (other settings)" in capsys.readouterr().err


def test_lora_leaves_adapters_apart_and_a_merged_model(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    found = tuned(command(data, base, out, "--lora", "4", "--epochs", "2", "--lr", "0.01"), capsys)
    assert found["read_back_difference"] <= TOLERANCE  # a share of the largest log-probability
    assert json.loads((out / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert len(load_file(out / "adapter" / "adapter_model.safetensors")) == 2 * 7 * 2


@pytest.mark.filterwarnings("ignore")
def test_qlora_trains_adapters_on_four_bits_and_exports_a_whole_model(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bitsandbytes")
    out, more = tmp_path / "tuned", ("--lora", "4", "--load-in-4bit", "--epochs", "6", "--lr", "0.02")
    found = tuned(command(data, base, out, *more), capsys)
    first, last = found["evaluations"][0], found["evaluations"][-1]
    assert last["validation_loss"] < first["validation_loss"] / 2
    assert found["read_back_difference"] <= TOLERANCE  # a share of the largest log-probability
    assert len(load_file(out / "adapter" / "adapter_model.safetensors")) == 2 * 7 * 2
    whole, before = load_file(out / "model.safetensors"), load_file(base / "model.safetensors")
    assert whole.keys() == before.keys() and all(whole[n].shape == before[n].shape for n in whole)
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert sum(r["response"]["text"] == r["sample"]["answers"][0] for r in results) == len(results) == 6
    assert tuned(command(data, base, out, *more), capsys)["steps"] == found["steps"]  # finished: nothing is trained
    assert guarded(command(data, base, out, *more[:2], *more[3:])) == 2
    assert "holds another training (other settings)" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_five_times_the_weights_are_bitwise_those_of_an_undisturbed_training(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--epochs", "12", "--save-every", "3", "--test", "0", "--keep", "last", "--patience", "0")
    tuned(command(data, base, tmp_path / "whole", *more), capsys)
    chance = random.Random(3)
    log = tmp_path / "killed" / "training" / "log.jsonl"
    line = [sys.executable, "-m", "evalharness", *command(data, base, tmp_path / "killed", *more)]
    steps = sorted(chance.sample(range(5, 80), 5))
    for step in steps:
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (log.is_file() and f'"step": {step},' in log.read_text()):
            time.sleep(0.002)
        process.kill()
        process.wait()
    tuned(line[3:], capsys)
    whole, killed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    lines = [json.loads(entry)["step"] for entry in log.read_text().splitlines() if '"loss"' in entry]
    assert lines == list(range(1, len(lines) + 1))


def test_ctrl_c_saves_and_the_same_command_goes_on(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tuned"
    step = train.Training.advance

    def interrupted(training: train.Training) -> train.StepStats:
        if training.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return step(training)

    monkeypatch.setattr(train.Training, "advance", interrupted)
    assert guarded(command(data, base, out, "--epochs", "2")) == 130
    assert checkpointing.load_state(out / "training" / "state.pt")["training"]["step"] == 5
    monkeypatch.setattr(train.Training, "advance", step)
    capsys.readouterr()
    assert tuned(command(data, base, out, "--epochs", "2"), capsys)["steps"] == 14


@pytest.mark.slow
def test_a_benchmark_chooses_the_checkpoint(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--eval", "mmlu", "--eval-data", "mmlu=sample", "--eval-limit", "8", "--best", "mmlu.accuracy")
    found = tuned(command(data, base, tmp_path / "tuned", "--epochs", "2", *asked), capsys)
    values = {line["step"]: line["metrics"]["mmlu.accuracy"] for line in found["evaluations"]}
    assert sorted(values) == [0, 7, 14]
    best = max(values.values())
    assert found["kept_step"] == min(step for step, value in values.items() if value == best)


def test_best_keeps_the_earlier_of_equals_and_patience_ends() -> None:
    best = Best(by="mmlu.accuracy", patience=2)
    seen = [best.better(step, {"mmlu.accuracy": value}) for step, value in enumerate((0.2, 0.5, 0.5))]
    assert (seen, best.step, best.over) == ([True, True, False], 1, False)
    best.better(3, {"mmlu.accuracy": 0.4})
    assert best.over
    down = Best(by="loss", patience=1)
    assert [down.better(i, {"loss": value}) for i, value in enumerate((2.0, 1.0, 1.5))] == [True, True, False]
    with pytest.raises(UserError, match="is not measured"):
        down.better(3, {})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--mask-end"], "never learn to stop"),
        (["--max-length", "2"], "do not fit into 2 tokens"),
        (["--style", "chatmll"], "did you mean chatml"),
        (["--loss", "dpo"], "wants rows with chosen and rejected"),
        (["--best", "mmlu.accuracy"], "only with --eval mmlu"),
        (["--keep", "worst"], "--keep wants best or last"),
        (["--lr", "-1"], "want 0 or more"),
        (["--resume"], "no stopped training"),
        (["--dora"], "--dora and --load-in-4bit want --lora"),
        (["--load-in-4bit"], "--dora and --load-in-4bit want --lora"),
        (["--eval", "mmluu"], "mmlu"),
        (["--model", "nowhere"], "no such folder"),
        (["--model", "echo"], "no weights here to train"),
        (["--eval-data", "mmlu"], "NAME=FOLDER"),
        (["--log-to", "comet"], "--log-to wants"),
        (["--fsdp"], "--fsdp spreads the weights over several processes, and there is one"),
        (["--nproc", "9"], "9 processes cannot share steps of --batch 8"),
        (["--nproc", "0"], "--nproc wants 1 or more"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    more: list[str], says: str, data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(command(data, base, tmp_path / "tuned", *more)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_overlap_with_a_benchmark_is_refused_unless_allowed(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(data.read_text())
    rows[3]["instruction"] = "What is the capital of Egypt?"
    rows[3]["input"] = ""
    data.write_text(json.dumps(rows))
    named = ("--eval-data", "mmlu=sample", "--epochs", "1", "--test", "0", "--validation", "0")
    assert guarded(command(data, base, tmp_path / "tuned", *named)) == 2
    assert "row 4 holds mmlu" in capsys.readouterr().err
    tuned(command(data, base, tmp_path / "tuned", *named, "--allow-overlap"), capsys)
    about = json.loads((tmp_path / "tuned" / "training" / "training.json").read_text())
    assert about["preflight"]["overlap"][0]["row"] == 4


@pytest.mark.slow
def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalharness.training import losses

    right = losses.cross_entropy
    calls: list[int] = []

    def broken(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return right(*arguments) * (float("nan") if len(calls) > 5 else 1.0)

    monkeypatch.setattr(losses, "cross_entropy", broken)
    assert guarded(command(data, base, tmp_path / "tuned")) == 2
    assert "the loss is not a number at step" in capsys.readouterr().err
    state = checkpointing.load_state(tmp_path / "tuned" / "training" / "state.pt")
    assert all(torch.isfinite(weight).all() for weight in state["training"]["weights"].values())


@pytest.mark.slow
def test_a_full_disk_and_too_little_memory_are_said(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalharness.training import trainable

    monkeypatch.setattr(trainable, "available", lambda _: 600_000)
    assert guarded(command(data, base, tmp_path / "tuned")) == 2
    assert "--lora 16 would fit" in capsys.readouterr().err
    monkeypatch.setattr(trainable, "available", lambda _: 150_000)
    assert guarded(command(data, base, tmp_path / "tuned", "--lora", "4")) == 2
    assert "--lora 16 --load-in-4bit would fit" in capsys.readouterr().err
    monkeypatch.undo()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.checkpoint, "save_decoder", full)
    assert guarded(command(data, base, tmp_path / "tuned", "--epochs", "1")) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "tuned" / "training" / "state.pt").is_file()


FULL = OSError(28, "No space left on device")
WRITTEN = (
    "curves.png", "tokenizer.json", "chat_template.jinja", "model.safetensors", "Modelfile", "test.jsonl", "README.md",
)  # fmt: skip


@pytest.mark.slow
def test_no_file_at_the_end_of_a_training_is_lost_to_a_full_disk(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tuned"
    line = command(data, base, out, "--max-steps", "2", "--lora", "4")
    tuned(line, capsys)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file() and "runs" not in file.parts}
    assert set(WRITTEN) <= {file.name for file in before}
    whole = Path.replace
    for name in WRITTEN:

        def full(self: Path, target: Path, wanted: str = name) -> Path:
            if Path(target).name == wanted:
                raise FULL
            return whole(self, target)

        monkeypatch.setattr(Path, "replace", full)
        code, said = guarded(line), capsys.readouterr().err.splitlines()
        assert code == 2, name
        assert [text for text in said if "No space left on device" in text] == said[-1:], name
        assert said[-1].startswith(f"evalh: {out}"), name
        left = {file: file.read_bytes() for file in before}
        assert [str(file) for file in left if left[file] != before[file]] == [], name
    monkeypatch.undo()
    again = tuned(line, capsys)
    assert again["steps"] == 2 and (out / "model.safetensors").read_bytes() == before[out / "model.safetensors"]


@pytest.mark.slow
def test_a_log_that_cannot_be_written_stops_the_training_in_one_line(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = command(data, base, tmp_path / "tuned", "--max-steps", "4", "--save-every", "1", "--test", "0")
    whole = callbacks.Log.write

    def full(self: callbacks.Log, found: Any) -> None:
        if found["step"] == 3 and "loss" in found:
            raise FULL
        whole(self, found)

    monkeypatch.setattr(callbacks.Log, "write", full)
    assert guarded(line) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"evalh: {tmp_path / 'tuned'}: a file of the training cannot be written or read (No space")
    monkeypatch.undo()
    found = tuned(line, capsys)
    assert found["steps"] == 4
    log = [json.loads(text) for text in (tmp_path / "tuned" / "training" / "log.jsonl").read_text().splitlines()]
    assert [each["step"] for each in log if "loss" in each] == [1, 2, 3, 4]


@pytest.mark.slow
def test_an_output_that_is_a_file_is_said(data: Path, base: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "tuned").write_text("mine")
    rows = [*json.loads(data.read_text()), {"instruction": "q", "output": ""}]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(rows))
    for given in (data, broken):
        assert guarded(command(given, base, tmp_path / "tuned")) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"evalh: {tmp_path / 'tuned'}") and "choose another --out" in said
    assert (tmp_path / "tuned").read_text() == "mine"


@pytest.mark.slow
def test_the_book_s_settings(data: Path, base: Path, tmp_path: Path) -> None:
    import typer.testing

    from evalharness.cli import application

    seen = typer.testing.CliRunner().invoke(
        application("finetune"),
        ["finetune", str(data), "-m", str(base), "--out", str(tmp_path / "x"), "--book", "--preflight"],
    )
    assert seen.exit_code == 0, seen.output
    assert "split: 54 train, 4 validation, 6 test" in seen.output
    assert "format alpaca-book" in seen.output


def test_preference_pairs(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"say {i}", "chosen": f"well {i}", "rejected": "no"} for i in range(24)]
    (tmp_path / "pairs.json").write_text(json.dumps(rows))
    more = ("--loss", "dpo", "--epochs", "3", "--lr", "0.003", "--patience", "0")
    found = tuned(command(tmp_path / "pairs.json", base, tmp_path / "tuned", *more), capsys)
    assert found["evaluations"][0]["validation_loss"] == pytest.approx(math.log(2), rel=BAR_TRAINED)
    assert found["evaluations"][-1]["margin"] > 0


@pytest.mark.slow
def test_then_judge_scores_the_answers_against_the_data(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--max-steps", "2", "--then-judge", "openai:judge")
    assert guarded(command(data, base, tmp_path / "tuned", *more[:2], "--then-judge", "scoree=openai:judge")) == 2
    assert not (tmp_path / "tuned").exists()
    capsys.readouterr()
    with serve(lambda body: "85") as stub:
        found = tuned(command(data, base, tmp_path / "tuned", *more, "--judge-base-url", stub.url), capsys)
    judged = found["judged"]["benchmarks"]["instructions"]["judged"]["score=openai:judge"]
    assert judged["verdicts"]["ok"] == judged["answers"] == 6
    assert judged["metrics"]["judge_score"]["value"] == pytest.approx(0.85)


@pytest.mark.slow
def test_conversations_of_several_turns_are_answered_too(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = ("system", "user", "assistant", "user", "assistant")
    said = [("be kind", f"hi {n}", "hello", f"and {n}?", "bye") for n in range(40)]
    file = tmp_path / "chats.jsonl"
    turns = [[{"role": role, "content": text} for role, text in zip(roles, row, strict=True)] for row in said]
    file.write_text("".join(json.dumps({"messages": row}) + "\n" for row in turns))
    found = tuned(command(file, base, tmp_path / "tuned", "--max-steps", "2", "--test", "0.2"), capsys)
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert len(results) == 8
    line = command(file, base, tmp_path / "look", "--test", "0.2", "--preflight")
    line.remove("--json")
    assert guarded(line) == 0
    assert "8 of 8 test rows have several turns; the last answer of each is asked for" in capsys.readouterr().err
    for result in results:
        assert [message["role"] for message in result["request"]["messages"]] == list(roles[:-1])
        assert result["sample"]["answers"] == ["bye"]


@pytest.mark.slow
def test_another_template_than_the_trained_one_is_warned_of(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from evalharness import plugins
    from evalharness.options import LocalOptions

    out = tmp_path / "tuned"
    tuned(command(data, base, out, "--max-steps", "1", "--test", "0"), capsys)
    trained = json.loads((out / "training" / "training.json").read_text())["template"]["sha256"]
    assert plugins.load_model(f"local:{out}").describe()["template_sha256"] == trained
    assert not caplog.text
    plugins.load_model(f"local:{out}", LocalOptions(template="alpaca"))
    assert "which it was trained with" in caplog.text


def test_talking(base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n/new\nagain\n\n"))
    assert guarded(["chat", str(base), "--max-tokens", "3", "--template", "chatml"]) == 0
    assert len(capsys.readouterr().out) > 2


def test_the_log_drops_what_lies_behind_the_saved_step(tmp_path: Path) -> None:
    log = callbacks.Log(tmp_path / "log.jsonl", 0, (), {})
    for step in range(1, 5):
        log.write({"step": step, "loss": 1.0})
    log.close()
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 5, "lo')
    again = callbacks.Log(tmp_path / "log.jsonl", 2, (), {})
    again.close()
    assert [line["step"] for line in curves.read_log(tmp_path / "log.jsonl")] == [1, 2]


def test_jobs_are_what_the_options_say() -> None:
    asking = prepare.benchmark_checks_of("mmlu, gsm8k", ["mmlu=sample"], 10)
    assert (asking.names, asking.data, asking.limit) == (("mmlu", "gsm8k"), {"mmlu": "sample"}, 10)


def test_a_test_split_is_never_trained_on_and_is_answered_with_figures(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    letters = "abcdefgh"
    pairs = [a + b for a in letters for b in letters]
    for name, part in (("train", pairs[:40]), ("test", pairs[40:60])):
        answer = {"role": "assistant", "content": "well then"}
        lines = [{"messages": [{"role": "user", "content": f"say {letters}"}, answer]} for letters in part]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = tuned(command(folder, base, tmp_path / "tuned", "--max-steps", "2"), capsys)
    about = json.loads((tmp_path / "tuned" / "training" / "training.json").read_text())
    assert about["split"]["test"] == list(range(41, 61)) and len(about["split"]["validation"]) == 2
    assert found["answered"]["counts"]["truncated"] == 20  # 4 tokens are not enough, and that is no `scored`
    assert "scored" not in found["answered"]["counts"]
    assert found["answered"]["metrics"]["exact_match"] == 0.0
    assert set(found["answered"]["metrics"]) >= {"exact_match", "f1", "rouge_l", "chrf"}


def test_figures_beside_references_are_those_of_their_libraries() -> None:
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    from evalharness.records import Request, Response, Sample
    from evalharness.scoring.reference import beside_references, in_words

    said, wanted = "The cat sat on a mat.", ("A cat sat on the mat!", "No cat.")
    asked = Request(messages=())
    score = beside_references(Sample(question="", answers=wanted), asked, Response(text=f" {said}\n", finish="stop"))
    rouge = RougeScorer(["rougeL"])
    assert score.status == "scored"
    assert score.scores["rouge_l"] == max(rouge.score(text, said)["rougeL"].fmeasure for text in wanted)
    assert score.scores["chrf"] == pytest.approx(sacrebleu.sentence_chrf(said, list(wanted)).score / 100)
    assert (score.scores["exact_match"], score.scores["f1"]) == (0.0, 1.0)  # articles and full stops do not count in F1
    same = beside_references(Sample(question="", answers=wanted), asked, Response(text=wanted[1], finish="length"))
    assert (same.status, same.scores["exact_match"]) == ("truncated", 1.0)
    empty = beside_references(Sample(question="", answers=wanted), asked, Response(text="", finish="stop"))
    assert (empty.status, set(empty.scores.values())) == ("unparsed", {0.0})
    assert not beside_references(Sample(question=""), asked, Response(text="x", finish="stop")).scores
    assert in_words({"scored": 2, "wrong": 0}, {"chrf": 0.5, "other": 1.0}) == "2 scored; chrF 0.500"


@pytest.mark.slow
def test_broken_rows_are_listed_or_skipped(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(data.read_text())
    rows[2]["output"] = ""
    tools = [{"function": {"name": "w", "arguments": {}}}]
    rows[5] = {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": tools}]
    }
    data.write_text(json.dumps(rows))
    out, alpaca = tmp_path / "tuned", ("--style", "alpaca", "--max-length", "256", "--max-steps", "1")
    assert guarded(command(data, base, out, *alpaca)) == 2
    error = capsys.readouterr().err
    assert "1 of 64 rows" in error and "'output' is empty in row 3" in error and error.count("\n") == 1
    listed = out / "training" / "bad_rows.jsonl"
    assert str(listed) in error and json.loads(listed.read_text())["row"] == 3
    rows[2]["output"] = "x"
    data.write_text(json.dumps(rows))
    assert guarded(command(data, base, out, *alpaca)) == 2
    error = capsys.readouterr().err
    assert "1 of 64 rows cannot be written" in error and "row 6 (" in error and "leaves out the tool call w" in error
    rows[2]["output"] = ""
    data.write_text(json.dumps(rows))
    tuned(command(data, base, out, *alpaca, "--skip-bad"), capsys)
    assert [json.loads(line)["row"] for line in listed.read_text().splitlines()] == [3, 6]


@pytest.mark.slow
def test_preference_pairs_without_dpo_are_said(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"say {i}", "chosen": f"well {i}", "rejected": "no"} for i in range(24)]
    (tmp_path / "pairs.json").write_text(json.dumps(rows))
    for loss, said in (("sft", True), ("dpo", False), ("orpo", False), ("simpo", False), ("kto", False)):
        line = command(tmp_path / "pairs.json", base, tmp_path / "tuned", "--preflight", "--loss", loss)
        line.remove("--json")
        assert guarded(line) == 0
        told = capsys.readouterr().err
        assert ("--loss dpo, orpo, simpo or kto uses both" in told) == said
        assert (f"{loss}: " in told) != said


@pytest.mark.slow
def test_other_weights_under_the_same_path_are_another_training(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    mine = tmp_path / "base"
    shutil.copytree(base, mine)
    tuned(command(data, mine, tmp_path / "tuned", "--max-steps", "2", "--test", "0"), capsys)
    made = checkpoint.load_decoder(mine)
    with torch.no_grad():
        next(made.parameters()).add_(0.01)
    checkpoint.save_decoder(made, mine)
    assert guarded(command(data, mine, tmp_path / "tuned", "--max-steps", "2", "--test", "0")) == 2
    assert "holds another training (other weights)" in capsys.readouterr().err


@pytest.mark.slow
def test_one_training_at_a_time_in_a_folder(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import fcntl

    (tmp_path / "tuned" / "training").mkdir(parents=True)
    with (tmp_path / "tuned" / "training" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert guarded(command(data, base, tmp_path / "tuned", "--max-steps", "1")) == 2
        assert "another training is writing here; wait for it or give another --out" in capsys.readouterr().err
    tuned(command(data, base, tmp_path / "tuned", "--max-steps", "1", "--test", "0"), capsys)


@pytest.mark.slow
def test_patience_and_best_of_the_command_hold_on_a_resumed_training(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, more = tmp_path / "tuned", ("--epochs", "3", "--lr", "1e-9", "--eval-every", "2", "--test", "0")
    worse = ("--weight-decay", "0.0")  # nothing gets better at this rate
    line = command(data, base, out, *more, *worse, "--patience", "1")
    line.remove("--json")
    assert guarded(line) == 0
    said = capsys.readouterr().err
    stopped = next(text for text in said.splitlines() if text.startswith("stopped early at step "))
    assert "evaluations without a better loss" in stopped and "--patience 0 goes on" in stopped
    assert guarded([*line, "--eval", "mmlu", "--eval-data", "mmlu=sample", "--best", "mmlu.accuracy"]) == 2
    assert "chosen by loss; --best mmlu.accuracy wants a training of its own" in capsys.readouterr().err
    again = tuned([*line, "--json"], capsys)
    assert again["stopped_early"] and again["steps"] < 24
    whole = tuned([*line[:-1], "0", "--json"], capsys)  # the same command with --patience 0
    assert (whole["stopped_early"], whole["steps"]) == (False, 24)
    alone = tmp_path / "alone"
    undisturbed = tuned(command(data, base, alone, *more, *worse, "--patience", "0"), capsys)
    assert whole["evaluations"][-1]["validation_loss"] == undisturbed["evaluations"][-1]["validation_loss"]


@pytest.mark.slow
def test_ctrl_c_says_where_it_stopped(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = train.Training.advance

    def interrupted(training: train.Training) -> train.StepStats:
        if training.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(training)

    monkeypatch.setattr(train.Training, "advance", interrupted)
    line = command(data, base, tmp_path / "tuned", "--epochs", "2")
    line.remove("--json")
    assert guarded(line) == 130
    assert "stopped at step 3 of 14, which is saved; the same command goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ((), ("constant", 5e-5, 0.1, 0.0, "alpaca-book", False, 0)),
        (("--schedule", "cosine"), ("cosine", 5e-5, 0.1, 0.0, "alpaca-book", False, 0)),
        (("--clip", "1.0", "--weight-decay", "0.01"), ("constant", 5e-5, 0.01, 1.0, "alpaca-book", False, 0)),
        (("--mask-prompt", "--patience", "3"), ("constant", 5e-5, 0.1, 0.0, "alpaca-book", True, 3)),
        (("--lr", "0", "--style", "chatml"), ("constant", 0.0, 0.1, 0.0, "chatml", False, 0)),
    ],
)
def test_the_book_changes_what_was_not_typed(
    typed: tuple[str, ...], wanted: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalharness.commands import finetune

    jobs: list[Any] = []
    monkeypatch.setattr(finetune, "_tune", lambda job, *_, **__: jobs.append(job) or 0)
    assert guarded(["finetune", "x.json", "--book", *typed]) == 0
    (job,) = jobs
    made = job.settings
    found = (made.schedule, made.lr, made.weight_decay, made.clip, job.style, job.mask_prompt, job.patience)
    assert found == wanted
    assert job.file_order and made.drop_last and made.decay_all


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize(("warmup", "steps"), [(0.0, 7), (0.1, 30), (0.34, 11)])
def test_without_a_floor_the_schedule_is_transformers_own(schedule: str, warmup: float, steps: int) -> None:
    import math

    from evalharness.training.config import TrainingConfig, factor

    transformers = pytest.importorskip("transformers")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    theirs = transformers.get_scheduler(
        name, optimizer, num_warmup_steps=math.ceil(warmup * steps), num_training_steps=steps
    )
    wanted = []
    for _ in range(steps):
        wanted.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    ours = TrainingConfig(schedule=schedule, warmup=warmup, lr_floor=0.0)
    assert [factor(ours, step, steps) for step in range(steps)] == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    floored = TrainingConfig(schedule=schedule, warmup=warmup)
    assert min(factor(floored, step, steps) for step in range(steps)) > 0.0
    with pytest.raises(UserError, match="lr_floor wants a share"):
        TrainingConfig(lr_floor=1.5).check()


@pytest.mark.slow
def test_conversations_with_tools_are_trained_and_asked_alike(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = {"type": "function", "function": {"name": "w", "parameters": {}}}
    calls = [{"id": "1", "type": "function", "function": {"name": "w", "arguments": '{"c": 1}'}}]
    turns = [
        {"role": "user", "content": "rain?"}, {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "no"}, {"role": "assistant", "content": "dry"},
    ]  # fmt: skip
    file = tmp_path / "tools.jsonl"
    rows = [{"messages": [{**turns[0], "content": f"rain {n}?"}, *turns[1:]], "tools": [tool]} for n in range(20)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = ("--max-steps", "1", "--test", "0.2", "--max-length", "0")
    wide = tmp_path / "wide"
    import shutil

    shutil.copytree(base, wide)
    config = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    found = tuned(command(file, wide, tmp_path / "tuned", *more), capsys)
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert len(results) == 4
    for result in results:
        assert result["request"]["template_kwargs"]["tools"] == [tool]
        assert result["request"]["messages"][1]["extra"]["tool_calls"][0]["function"]["arguments"] == {"c": 1}
        assert result["response"]["tokens_in"] > 200  # the tools are asked with


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "mps", "meta", "xpu"])
def test_a_device_that_is_not_there_is_one_line(data: Path, base: Path, tmp_path: Path, device: str, capsys) -> None:
    assert guarded(command(data, base, tmp_path / "out", "--device", device)) == 2
    said = capsys.readouterr().err
    assert device in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("threads", "--threads wants a whole number, 0 or more"),
        ("patience", "--patience wants"),
        ("answer_tokens", "1 or more"),
    ],
)
def test_a_number_below_what_an_option_takes_is_one_line(
    data: Path, base: Path, tmp_path: Path, option, said, capsys
) -> None:
    flag = f"--{option.replace('_', '-')}"
    assert guarded(command(data, base, tmp_path / "out", flag, "-1")) == 2
    assert said in (err := capsys.readouterr().err) and err.count("\n") == 1
    from evalharness import UserError, finetune

    with pytest.raises(UserError, match=f"^{option} wants"):
        finetune(data, str(base), tmp_path / "out", **{option: -1})
