"""From a user's words to examples that have been looked at: everything before the first step."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from evalharness import plugins
from evalharness.chat.prompt_styles import earlier_hash
from evalharness.chat.render import Chat, choose_chat, own_template
from evalharness.engine.checkpoint import weight_files
from evalharness.engine.config import read_config
from evalharness.engine.families import UnsupportedError
from evalharness.engine.fingerprint import files_digest
from evalharness.engine.loading import open_device
from evalharness.engine.tokenizer import open_tokenizer
from evalharness.errors import DataError, UserError, option_name
from evalharness.exports.gguf_file import check_gguf, wanted_kind
from evalharness.options import hold_to_bounds
from evalharness.training import datasets, encoding, preflight, split
from evalharness.training.callbacks import BenchmarkChecks
from evalharness.training.config import Lora, TrainingConfig
from evalharness.training.datasets import Broken, BrokenRowsError, Data
from evalharness.training.encoding import Encodings, Rules
from evalharness.training.guard import check_guard, guard_names
from evalharness.training.job import FinetuneJob
from evalharness.training.material import material_of
from evalharness.training.preflight import Preflight
from evalharness.training.replay import General, parse_replay, read_general
from evalharness.training.split import Split
from evalharness.training.step import Material
from evalharness.training.world import check_shares, started_processes

BAD_ROWS = Path("training") / "bad_rows.jsonl"  # in the output folder
Seen = TypeVar("Seen")


@dataclass(frozen=True, kw_only=True)
class PreparedTraining:
    """Everything before the first step: the data in three parts, as examples, what the preflight saw, and what else
    there is to say of the data."""

    job: FinetuneJob
    source: Path
    chat: Chat
    data: Data
    split: Split
    parts: Mapping[str, Encodings]
    material: Material
    seen: Preflight
    general: General | None = None
    notes: tuple[str, ...] = ()


def _resolve(model: str) -> Path:
    """The folder of the model to train: a path, a hub id, `local:...`, or a plug-in with a FOLDER (`tiny`)."""
    name, colon, argument = model.partition(":")
    if not colon and name in plugins.modules("models") and not Path(model).is_dir():
        module = plugins.load_plugin("models", name)
        if not hasattr(module, "FOLDER"):
            raise UserError(f"{model} has no weights here to train; name a checkpoint folder or a hub id")
        return Path(module.FOLDER)
    if colon and name in plugins.modules("models") and name != "local":
        raise UserError(f"{model} has no weights here to train; name a checkpoint folder or a hub id")
    found: Path = plugins.load_plugin("models", "local").model_folder(argument if colon and name == "local" else model)
    return found


def prepare_training(job: FinetuneJob) -> PreparedTraining:
    """Read, split, tokenise and look. UserError or DataError for everything that can be known before training."""
    job = _checked(job)
    source = _resolve(job.model)
    try:
        config = read_config(source)
    except UnsupportedError as error:
        raise UserError(f"{source}: {error} cannot be trained here; GPT-2, Llama, Qwen, ... can") from error
    if job.fsdp and config.mixture:
        raise UserError(
            f"{option_name('fsdp', True)} wants every weight used in every step, which experts are not "
            f"({config.family}); leave it out: each process then holds the whole model"
        )
    labelled = job.settings.loss == "kto"
    data = _listed(job, lambda: datasets.read_training_data(job.data, skip_bad=job.skip_bad, labelled=labelled))
    tokenizer = open_tokenizer(source, config.vocab, job.tokenizer)
    own = own_template(source)
    chat = choose_chat(job.style if job.style or own else "alpaca", own, tokenizer)
    if wanted_kind(job.export):
        check_gguf(source, chat, next((f for f in tokenizer.files if f.name == "tokenizer.json"), None))
    limit = min(job.max_length or config.context, config.context)
    rules = Rules(
        limit=limit, mask_prompt=job.mask_prompt, drop_long=job.drop_long, end_masked=job.mask_end, skip_bad=True
    )
    parted, alike = _decided(_parted(job, data), data, job)
    parts = {
        name: encoding.encode(part, chat, rules)
        for name, part in (("train", parted.train), ("validation", parted.validation), ("test", parted.test))
    }
    unwritten = [broken for part in parts.values() for broken in part.broken]
    parted = _listed(job, lambda: _written(parted, unwritten, data, job))
    material = material_of(job.settings.loss, parted, parts, chat, rules)
    general = _listed(job, lambda: _general(job, material, parted, chat, rules)) if job.replay else None
    if general:
        material = replace(material, general=general.encodings.examples, replayed=general.each_epoch)
    preflight.check_vocabulary({**parts, **({"replay": general.encodings} if general else {})}, config.vocab)
    named = {name: job.asking.data.get(name) for name in (*job.asking.names, *guard_names(job), *job.asking.data)}
    seen = preflight.preflight(data, parted, parts, chat, named=named, general=general)
    broken = [*data.broken, *unwritten, *(general.broken if general else ())]
    return PreparedTraining(
        job=job, source=source, chat=chat, data=data, split=parted, parts=parts, material=material, seen=seen,
        general=general, notes=(
            *data.notes, *_said(job, data, broken), *alike, *_compared_said(job, material),
            *_turns_said(parts, parted, chat), *(general.notes if general else ()),
        ),
    )  # fmt: skip


def _general(job: FinetuneJob, material: Material, parted: Split, chat: Chat, rules: Rules) -> General:
    return read_general(job.replay or "", len(material.train), parted, chat, rules, job.skip_bad)


def _checked(job: FinetuneJob) -> FinetuneJob:
    """The job with what its loss chooses. UserError for settings that make no sense."""
    job.settings.check()
    job.settings.check_used()
    check_shares(started_processes(), job.settings)
    hold_to_bounds(job)
    open_device(job.device)
    if job.keep not in ("best", "last"):
        raise UserError(f"{option_name('keep')} wants best or last, there is {job.keep!r}")
    if job.replay and job.settings.loss != "sft":
        raise UserError(
            f"{option_name('replay')} wants {option_name('loss', 'sft')}: what is compared by {job.settings.loss} has "
            "no general data"
        )
    if job.replay:
        parse_replay(job.replay)
    check_guard(job)
    return replace(job, settings=job.settings.resolved())


def _parted(job: FinetuneJob, data: Data) -> Split:
    """The three parts; an answer that a label calls bad is nothing that answers to test rows can be held to."""
    parted = _all_parted(job, data)
    return replace(parted, test=tuple(row for row in parted.test if row.good is not False))


def _decided(parted: Split, data: Data, job: FinetuneJob) -> tuple[Split, list[str]]:
    """The split without pairs of one answer twice, where answers are compared: they count and teach nothing. And what
    there is to say of them."""
    same = {row.number for row in data.rows if row.undecided} if job.settings.loss != "sft" else set()
    if not same:
        return parted, []
    kept = split.without(parted, same)
    if not kept.train:
        raise DataError(f"{data.origin}: chosen and rejected are the same answer in all rows to train on")
    count = f"{len(same)} pair{'s' * (len(same) > 1)}"
    return kept, [f"{count} left out: chosen and rejected are the same answer"]


def _all_parted(job: FinetuneJob, data: Data) -> Split:
    if any(row.part for row in data.rows):
        return split.as_given(data.rows, job.settings.seed, job.validation, job.test)
    if job.file_order:
        return split.by_file_order(data.rows)
    return split.by_groups(data.rows, job.settings.seed, job.validation, job.test)


def _listed(job: FinetuneJob, look: Callable[[], Seen]) -> Seen:
    """What `look` finds; broken rows that it refuses are all listed in a file."""
    try:
        return look()
    except BrokenRowsError as error:
        file = datasets.list_broken(error.broken, job.out / BAD_ROWS)
        raise DataError(f"{error} (all of them: {file})") from error


def _written(parted: Split, unwritten: Sequence[Broken], data: Data, job: FinetuneJob) -> Split:
    """The split without the rows that the template cannot write. BrokenRowsError unless they may be skipped."""
    if unwritten and not job.skip_bad:
        raise datasets.rows_refused(data.origin, "cannot be written by the template", unwritten, len(data.rows))
    left = {broken.number for broken in unwritten}
    kept = split.without(parted, left)
    if not kept.train:
        raise DataError(f"{data.origin}: no row to train on can be written by the template; {unwritten[0].reason}")
    return kept


def _said(job: FinetuneJob, data: Data, broken: Sequence[Broken]) -> list[str]:
    """What the user should know of the data before the first step."""
    said = []
    if broken:
        file = datasets.list_broken(broken, job.out / BAD_ROWS)
        said.append(f"{len(broken)} broken rows skipped, listed in {file}")
    if given := {row.part for row in data.rows if row.part}:
        shares = {"validation": job.validation, "test": job.test}
        drawn = " and ".join(name for name, share in shares.items() if name not in given and share)
        also = f"; {drawn} drawn from train by groups of prompts" if drawn else ""
        said.append(f"split: as the data names it{also}")
    if job.settings.loss == "sft" and any(row.rejected is not None for row in data.rows):
        said.append(
            "preference pairs: the chosen answers are learned, the rejected are not used; --loss dpo, orpo, simpo or "
            "kto uses both"
        )
    if data.bad:
        said.append(f"{data.bad} rows are labelled as bad answers: the good are learned; --loss kto learns from both")
    return said


def _compared_said(job: FinetuneJob, material: Material) -> list[str]:
    """What answers are compared."""
    if job.settings.loss == "sft":
        return []
    if job.settings.loss != "kto":
        return [f"{job.settings.loss}: {len(material.train)} pairs of a better and a worse answer are learned from"]
    good = sum(material.good)
    said = [f"kto: {good} good and {len(material.good) - good} bad answers are learned from"]
    if not 0 < good < len(material.good):
        said.append("kto: all answers are labelled alike; it is meant to learn from good and bad ones")
    return said


def _turns_said(parts: Mapping[str, Encodings], parted: Split, chat: Chat) -> list[str]:
    """What becomes of conversations of several turns."""
    said = []
    taught = [example.row for part in parts.values() for example in part.examples]
    if len(taught) > len(set(taught)):
        said.append(f"{chat.name} writes turns otherwise once they are answered: {len(taught)} turns, one by one")
    several = sum(sum(message.role == "assistant" for message in row.messages) > 1 for row in parted.test)
    if several:
        said.append(
            f"{several} of {len(parted.test)} test rows have several turns; the last answer of each is asked for"
        )
    return said


def training_identity(prepared: PreparedTraining) -> dict[str, Any]:
    """What decides the trained weights; a training goes on only where all of it is the same."""
    job = prepared.job
    facts = {
        "data": prepared.data.sha256, "split": [datasets.fingerprint(part) for part in (prepared.split.train,)],
        "template": prepared.chat.hash, "model": job.model, "settings": asdict(job.settings),
        "weights": files_digest(sorted(set(weight_files(prepared.source).values()))),
        "rules": [job.mask_prompt, job.max_length, job.drop_long],
        "replay": [prepared.general.sha256, prepared.general.share] if prepared.general else None,
        "default learning rate": "by size" if job.settings.loss == "sft" or job.settings.lr else "by size and loss",
    }  # fmt: skip
    return dict(json.loads(json.dumps(facts)))


def differing(saved: Mapping[str, Any], prepared: PreparedTraining) -> list[str]:
    """The parts of a saved `training_identity` that are others now.

    One that an earlier version wrote is completed first: it went on from whatever base weights were there, it did what
    the defaults of newer settings do, and its hash of a named format is that of the format's source at the time.
    """
    now = training_identity(prepared)
    before = {"weights": now["weights"], "replay": None, "default learning rate": "by size", **saved}
    if isinstance(saved.get("settings"), dict):
        before["settings"] = {**json.loads(json.dumps(asdict(TrainingConfig().resolved()))), **saved["settings"]}
    earlier = earlier_hash(prepared.chat.name, prepared.chat.source or "")
    if earlier is not None and saved.get("template") == earlier:
        before["template"] = now["template"]
    return [key for key in now if before.get(key) != now[key]]


def benchmark_checks_of(names: str, data: Sequence[str], limit: int) -> BenchmarkChecks:
    """The benchmarks of `--eval` and the data of `--eval-data NAME=FOLDER`."""
    by_name: dict[str, str | None] = {}
    for entry in data:
        name, equals, path = entry.partition("=")
        if not equals or not name or not path:
            raise UserError(f"{option_name('eval_data')} wants NAME=FOLDER or NAME=sample, there is {entry!r}")
        by_name[name] = path
    if limit < 1:
        raise UserError(f"{option_name('eval_limit')} wants 1 or more, there is {limit}")
    asked = tuple(name.strip() for name in names.split(",") if name.strip())
    for name in asked:
        plugins.task_names(name, None)
    return BenchmarkChecks(names=asked, data=by_name, limit=limit)


def job_of(options: Mapping[str, Any], asking: BenchmarkChecks) -> FinetuneJob:
    """The job that the options of the command line describe."""
    rank = options["lora"]
    four_bit = options["load_in_4bit"]
    if rank < 0 or ((options["dora"] or four_bit) and not rank):
        raise UserError(
            f"{option_name('lora')} wants a rank of 1 or more, {option_name('dora', True)} and "
            f"{option_name('load_in_4bit', True)} want {option_name('lora', 'RANK')}"
        )
    kind = Lora(rank=rank, alpha=options["alpha"] or rank, dora=options["dora"], four_bit=four_bit) if rank else None
    chosen = {key: options[key] for key in TrainingConfig.__dataclass_fields__ if key in options and key != "lora"}
    settings = TrainingConfig(**chosen, lora=kind)
    if options["best"] != "loss" and options["best"].split(".")[0].split("/")[0] not in {
        name.split("/")[0] for name in asking.names
    }:
        raise UserError(
            f"{option_name('best')} {options['best']} is measured only with {option_name('evaluate')} "
            f"{options['best'].split('.')[0]}"
        )
    if options["resume"] and not (options["out"] / "training" / "state.pt").is_file():
        raise UserError(
            f"{option_name('resume')}: there is no stopped training in {options['out']}; leave it out to begin one"
        )
    same = {
        key: options[key]
        for key in FinetuneJob.__dataclass_fields__
        if key in options and key not in ("settings", "asking")
    }
    return FinetuneJob(**same, settings=settings, asking=asking)


def as_in_the_book(options: Mapping[str, Any], typed: Collection[str]) -> dict[str, Any]:
    """The options as chapter 7 of the book has them (https://github.com/rasbt/LLMs-from-scratch): split by file order,
    loss on all tokens, AdamW on everything, no schedule and no clipping; what the user `typed` stays."""
    own = {
        "style": "alpaca-book", "lr": 5e-5, "weight_decay": 0.1, "schedule": "constant", "warmup": 0.0, "clip": 0.0,
        "keep": "last", "patience": 0, "mask_prompt": False,
    }  # fmt: skip
    changed = {key: value for key, value in own.items() if key not in typed}
    return {**options, **changed, "file_order": True, "drop_last": True, "decay_all": True}
