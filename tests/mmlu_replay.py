"""Two published sets of answers to MMLU as replay files."""

import ast
import csv
import json
from pathlib import Path

COLUMNS = {"gpt4o": "openai_gpt-4o-2024-05-13", "llama": "meta_llama-3-70b"}


def replay_file(shared: Path, model: str, out: Path) -> Path:
    """Write the answers of one model, a line each, and return the file."""
    with out.open("w", encoding="utf-8") as file:
        for path in sorted((shared / "mmlu_preds").glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as rows:
                for row in csv.DictReader(rows):
                    line = {"question": row["question"], "choices": ast.literal_eval(row["choices"]),
                            "group": path.stem, "text": row[COLUMNS[model]]}  # fmt: skip
                    file.write(json.dumps(line) + "\n")
    return out
