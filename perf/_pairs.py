"""What the scripts of this folder share: random models, children that are measured whole, pairs run in turn, ratios.

Ours and the peer run alternately on the same machine; results are compared before any ratio is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
MODELS: dict[str, dict[str, Any]] = {
    "gpt2-124m": {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_embd": 768, "n_layer": 12,
        "n_head": 12, "n_positions": 1024,
    },
    "llama-87m": {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 50257, "hidden_size": 640,
        "intermediate_size": 1728, "num_hidden_layers": 12, "num_attention_heads": 10, "num_key_value_heads": 5,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "head_dim": 64,
    },
    "llama-tiny": {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 50257, "hidden_size": 64,
        "intermediate_size": 172, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "head_dim": 16,
    },
}  # fmt: skip


def options(description: str) -> argparse.ArgumentParser:
    """The options every script takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--pairs", type=int, default=5, help="measured pairs, after one of each to warm up")
    parser.add_argument("--threads", type=int, default=1, help="the same on both sides")
    parser.add_argument("--quick", action="store_true", help="one pair, less work: shows that the script runs")
    return parser


def peer() -> str:
    """The interpreter of the peer's environment. Exits 3, saying so, where there is none."""
    found = os.environ.get("EVALH_PEER_PYTHON", "")
    if not found or not Path(found).exists():
        print("EVALH_PEER_PYTHON does not name a Python with lm_eval 0.4.13: nothing to compare with", file=sys.stderr)
        raise SystemExit(3)
    return found


def make_model(kind: str, folder: Path) -> Path:
    """A random checkpoint (seed 0, matrices twice as large as usual so that scores differ) with GPT-2's vocabulary."""
    if not (folder / "config.json").is_file():
        # In a process of its own: on Linux a child's peak memory begins with what its parent holds when it starts.
        code = "import sys; sys.path[0] = sys.argv[1]; import _pairs; _pairs.build(*sys.argv[2:])"
        here = str(Path(__file__).parent)
        subprocess.run([sys.executable, "-c", code, here, kind, str(folder)], check=True)
    return folder


def build(kind: str, target: str) -> None:
    """Write the checkpoint of `make_model`."""
    folder = Path(target)
    import torch

    from evalharness.engine import checkpoint
    from evalharness.engine.config import parse_config
    from evalharness.engine.decoder import Decoder, initialise

    decoder = Decoder(parse_config({**MODELS[kind], "bos_token_id": 50256, "eos_token_id": 50256}))
    initialise(decoder, torch.Generator().manual_seed(0), std=0.04)
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder)
    checkpoint.save_decoder(decoder, folder)


def _write_tokenizer(folder: Path) -> None:
    """GPT-2's own where its files are at hand, else a byte-pair vocabulary of the bundled samples' text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    source = DATA / "gpt2-bpe"
    if source.is_dir():
        names = json.loads((source / "encoder.json").read_text("utf-8"))
        lines = (source / "vocab.bpe").read_text("utf-8").split("\n")[1:-1]
        tokenizer = Tokenizer(models.BPE(vocab=names, merges=[(a, b) for a, b in (line.split(" ") for line in lines)]))
    else:
        tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if not source.is_dir():
        text = [file.read_text("utf-8") for file in sorted((ROOT / "benchmarks").glob("*.jsonl"))]
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=50256, initial_alphabet=alphabet))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    end = "<|endoftext|>"
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end, "bos_token": end}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@dataclass(frozen=True)
class Ran:
    """One child process: seconds of wall and of CPU (user + system), peak memory in MB, what it printed."""

    wall: float
    cpu: float
    peak: float
    out: str


def child(command: Sequence[str], threads: int) -> Ran:
    """Run a command to its end, measured whole; its failure ends the script."""
    environment = {
        **os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "",  # as users have it
    }  # fmt: skip
    start = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        out, error = process.communicate()
    # communicate() has reaped the child: its own usage is the difference of what all children used.
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter() - start
    if process.returncode:
        print(error[-3000:], file=sys.stderr)
        raise SystemExit(f"{command[0]} ... exited with {process.returncode}")
    global _used
    cpu, _used = usage.ru_utime + usage.ru_stime - _used, usage.ru_utime + usage.ru_stime
    return Ran(wall, cpu, float(peak_of(out)), out)


_used = 0.0
PEAK = "import resource as r; print('peak', r.getrusage(r.RUSAGE_SELF).ru_maxrss / 1000)"


def peak_of(out: str) -> float:
    """What the child printed as its own peak: the peaks of children are known only as a maximum over all."""
    lines = [line for line in out.splitlines() if line.startswith("peak ")]
    return float(lines[-1].split()[1]) if lines else 0.0


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        cpu = next((x.split(":")[1].strip() for x in info.read_text().splitlines() if x.startswith("model name")), cpu)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "commit": commit.stdout.strip(), "cpu": cpu, "cores": os.cpu_count(), "torch": torch.__version__,
        "python": platform.python_version(), "load": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def pair(number: int, ours: Callable[[], Ran], theirs: Callable[[], Ran]) -> tuple[Ran, Ran]:
    """One run of each, the order alternating from pair to pair; one JSON line per run."""
    if number % 2:
        b = theirs()
        a = ours()
    else:
        a = ours()
        b = theirs()
    for who, ran in (("ours", a), ("peer", b)):
        line = {"pair": number, "who": who, "wall": round(ran.wall, 3), "cpu": round(ran.cpu, 3)}
        print(json.dumps({**line, "peak_mb": round(ran.peak), "load": round(os.getloadavg()[0], 2)}), flush=True)
    return a, b


def ratio(values: Sequence[float]) -> dict[str, float]:
    """Median, least and largest."""
    return {
        "median": round(statistics.median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2),
    }  # fmt: skip
