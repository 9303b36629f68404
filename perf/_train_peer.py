"""The peers' side of perf/train.py: the book's loop written anew, transformers' Trainer, TRL's SFTTrainer, with
PEFT's adapters too, and TRL's DPOTrainer.

book | trainer | trl | trl-lora | trl-dpo   MODEL ROWS OUT ADAPTERS
ROWS: JSON list of {ids, prompt, rejected}; eight rows a step, in their order. ADAPTERS: a folder in PEFT's layout
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments

END, BATCH = 50256, 8


def opened(folder):
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0
    )


def padded(rows, masked):
    """Padded to the longest; -100 on padding, by length, and on the prompt where it is masked."""
    longest = max(len(row["ids"]) for row in rows)
    ids = torch.full((len(rows), longest), END)
    labels = torch.full((len(rows), longest), -100)
    for i, row in enumerate(rows):
        ids[i, : len(row["ids"])] = torch.tensor(row["ids"])
        first = row["prompt"] if masked else 0
        labels[i, first : len(row["ids"])] = torch.tensor(row["ids"][first:])
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        mask[i, : len(row["ids"])] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def book(model, rows):
    """Chapter 7: inputs and targets shifted, no attention mask, loss on every target, AdamW on everything."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.1)
    model.train()
    losses = []
    for i in range(0, len(rows), BATCH):
        batch = padded(rows[i : i + BATCH], masked=False)
        inputs, targets = batch["input_ids"][:, :-1], batch["labels"][:, 1:]
        optimizer.zero_grad()
        logits = model(inputs, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class Losses(TrainerCallback):
    def __init__(self):
        self.seen = []

    def on_log(self, args, state, control, logs=None, **more):
        if "loss" in (logs or {}):
            self.seen.append(float(logs["loss"]))


class InOrder:
    """Rows are met in the order they have."""

    def _get_train_sampler(self, dataset=None):
        return torch.utils.data.SequentialSampler(dataset if dataset is not None else self.train_dataset)


COMMON = {
    "per_device_train_batch_size": BATCH, "learning_rate": 5e-5, "weight_decay": 0.1, "save_strategy": "no",
    "report_to": [], "use_cpu": True, "disable_tqdm": True, "num_train_epochs": 1, "lr_scheduler_type": "constant",
    "max_grad_norm": 0.0, "logging_steps": 1, "output_dir": "/tmp/evalh-perf-peer",
}  # fmt: skip


def trainer(model, rows):
    class Ordered(InOrder, Trainer):
        pass

    seen = Losses()
    arguments = TrainingArguments(**COMMON, remove_unused_columns=False)
    Ordered(
        model=model, args=arguments, train_dataset=rows, data_collator=lambda b: padded(b, True), callbacks=[seen]
    ).train()
    return seen.seen


def trl(model, rows):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    class Ordered(InOrder, SFTTrainer):
        pass

    seen = Losses()
    data = Dataset.from_list(
        [
            {
                "input_ids": row["ids"],
                "completion_mask": [0] * row["prompt"] + [1] * (len(row["ids"]) - row["prompt"]),
            }
            for row in rows
        ]
    )
    settings = SFTConfig(**COMMON, bf16=False, gradient_checkpointing=False, max_length=512, completion_only_loss=True)
    made = Ordered(model=model, args=settings, train_dataset=data, processing_class=tokenizer(), callbacks=[seen])
    return made, seen


def tokenizer():
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast.from_pretrained(sys.argv[2], eos_token=end, pad_token=end)


def trl_lora(model, rows):
    from peft import PeftModel

    return trl(PeftModel.from_pretrained(model, sys.argv[5], is_trainable=True), rows)


def trl_dpo(model, rows):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class Ordered(InOrder, DPOTrainer):
        def _prepare_dataset(self, dataset, *_):
            return dataset  # in ids already

    seen = Losses()
    data = Dataset.from_list(
        [
            {
                "prompt_ids": row["ids"][: row["prompt"]],
                "chosen_ids": row["ids"][row["prompt"] :],
                "rejected_ids": row["rejected"][row["prompt"] :],
            }
            for row in rows
        ]
    )
    settings = DPOConfig(
        **COMMON, bf16=False, gradient_checkpointing=False, max_length=512, beta=0.1, precompute_ref_log_probs=True
    )
    made = Ordered(model=model, args=settings, train_dataset=data, processing_class=tokenizer(), callbacks=[seen])
    return made, seen


def main():
    kind, folder, file, out = sys.argv[1:5]
    rows = json.loads(Path(file).read_text())
    model = opened(folder)
    trainers = {"trl": trl, "trl-lora": trl_lora, "trl-dpo": trl_dpo}
    if kind in trainers:
        made, seen = trainers[kind](model, rows)
    start, cpu = time.perf_counter(), time.process_time()
    if kind in trainers:
        made.train()
        losses = seen.seen
    else:
        losses = {"book": book, "trainer": trainer}[kind](model, rows)
    spent = time.perf_counter() - start, time.process_time() - cpu
    Path(out).write_text(json.dumps({"losses": losses, "wall": spent[0], "cpu": spent[1]}))
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


if __name__ == "__main__":
    main()
