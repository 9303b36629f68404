"""Teaches the embedded model to answer with the letter of an option, in MMLU's exact form; minutes of one CPU core.

    OMP_NUM_THREADS=1 python tools/teach_letters.py --out FOLDER    # a checkpoint folder, for `--model local:FOLDER`

The loss is that of the letters and of what ends them. Three lessons follow one another: the question says the answer
and there are two options; the same with four; then most of the questions say it no more. Facts that the exam or MMLU's
bundled sample ask are in no lesson.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pretrain_tiny  # type: ignore[import-not-found]  # beside this script
import torch
import torch.nn.functional as F
from make_tiny_data import reserved  # type: ignore[import-not-found]
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from evalharness.tiny import MODEL_FOLDER
from evalharness.tiny.lessons import quiz, split_facts
from evalharness.tiny.text import answers_by_kind
from evalharness.tiny.world import Fact

LETTERS = "ABCD"
LABELS = 32  # questions a step
MUON, ADAM = 0.006, 1.5e-3
WARMUP, FALLING = 30, 0.3  # steps in which the rates rise, the share of them in which they fall


@dataclass(frozen=True)
class Lesson:
    """So many steps; options of a question, the share of questions that say their answer, the most questions a text."""

    steps: int
    options: int
    told: float
    most: int


LESSONS = (Lesson(80, 2, 1.0, 1), Lesson(100, 4, 1.0, 1), Lesson(220, 4, 0.35, 4))


class Writer:
    """Writes texts of questions in MMLU's form from facts, seeded."""

    def __init__(self, facts: list[Fact], seed: int) -> None:
        self.rng, self.facts, self.pools = random.Random(f"{seed}/letters"), facts, answers_by_kind()
        self.tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
        self.subjects = {subject: [f for f in facts if f.subject == subject] for subject in {f.subject for f in facts}}

    def text(self, lesson: Lesson, questions: int) -> tuple[list[int], list[int]]:
        """The ids of one text, and where in them the letters stand."""
        subject = self.rng.choice(self.facts).subject
        ids = self._ids(f"The following are multiple choice questions (with answers) about {subject}.\n\n")
        places = []
        for number in range(questions):
            asked, letter = self.question(lesson, self.rng.choice(self.subjects[subject]))
            ids += self._ids(("\n\n" if number else "") + asked)
            places.append(len(ids))
            ids += self._ids(f" {letter}")
        return [*ids, pretrain_tiny.END], places

    def question(self, lesson: Lesson, fact: Fact) -> tuple[str, str]:
        """A question with its options, and the right one's letter."""
        row = quiz(self.rng, fact, self.rng.randrange(4), self.pools)
        options = [fact.answer, *self.rng.sample([o for o in row["choices"] if o != fact.answer], lesson.options - 1)]
        self.rng.shuffle(options)
        told = f" {fact.answer}" if self.rng.random() < lesson.told else ""
        lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
        return "\n".join([row["question"] + told, *lines, "Answer:"]), LETTERS[options.index(fact.answer)]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text).ids)


def letters_loss(model: pretrain_tiny.Decoder, texts: list[tuple[list[int], list[int]]]) -> Tensor:
    """Cross-entropy of the letters of these texts, and of what follows a letter, so that an answer ends there."""
    longest = max(len(ids) for ids, _ in texts)
    batch = torch.tensor([ids + [pretrain_tiny.END] * (longest - len(ids)) for ids, _ in texts])
    rows = torch.tensor([row for row, (_, places) in enumerate(texts) for _ in places])
    places = torch.tensor([place for _, found in texts for place in found])
    logits = model(batch)
    return F.cross_entropy(logits[rows, places - 1], batch[rows, places]) + F.cross_entropy(
        logits[rows, places], batch[rows, places + 1]
    )


def teach(seed: int) -> pretrain_tiny.Decoder:
    """The shipped model, taught."""
    model = pretrain_tiny.Decoder(pretrain_tiny.Shape(), 0)
    shipped = load_file(MODEL_FOLDER / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): tensor.float() for name, tensor in shipped.items()})
    writer = Writer(split_facts(reserved())["train"], seed)
    chosen = pretrain_tiny.optimizers(model, pretrain_tiny.Recipe(muon_lr=MUON, adam_lr=ADAM))
    bases = [optimizer.param_groups[0]["lr"] for optimizer in chosen]
    steps = list(itertools.chain.from_iterable([lesson] * lesson.steps for lesson in LESSONS))
    for step, lesson in enumerate(steps):
        questions = writer.rng.randint(1, lesson.most)
        loss = letters_loss(model, [writer.text(lesson, questions) for _ in range(max(1, LABELS // questions))])
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it without annotations
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rate = min(1.0, (step + 1) / WARMUP, (1 - step / len(steps)) / FALLING)
        for optimizer, base in zip(chosen, bases, strict=True):
            optimizer.param_groups[0]["lr"] = base * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}/{len(steps)} loss {loss.item():.3f}", flush=True)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    model = teach(words.seed)
    shutil.copytree(MODEL_FOLDER, words.out, dirs_exist_ok=True)
    tensors = {f"model.{name}": p.detach().half().contiguous() for name, p in model.named_parameters()}
    save_file(tensors, words.out / "model.safetensors", metadata={"format": "pt"})
    print(json.dumps({"out": str(words.out), "steps": sum(lesson.steps for lesson in LESSONS)}))


if __name__ == "__main__":
    main()
