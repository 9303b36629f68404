"""The embedded model: a base model of 1.5 million parameters, its world, its instruction data. See model/README.md."""

from pathlib import Path

MODEL_FOLDER = Path(__file__).parent / "model"
INSTRUCTIONS = Path(__file__).parent / "instructions.jsonl"
