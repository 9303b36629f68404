"""Whoever lacks an extra is told what to install, by a line that can be pasted; nothing else is said."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from stub_server import serve

from evalharness.errors import install_hint

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
SAMPLE = ("--data", "sample", "--limit", "2")
ECHO = ("run", "mmlu", "--model", "echo", *SAMPLE)
# Each extra: the packages of it that are not there, and a command that wants them.
WANTS = {
    "local": ("torch", ("run", "mmlu", "--model", "tiny", *SAMPLE)),
    "hf": ("transformers", ("run", "mmlu", "--model", f"local:{ROOT}/evalharness/tiny/model", "--backend", "hf",
                            *SAMPLE)),
    "qlora": ("bitsandbytes", ("finetune", "rows.jsonl", "--model", "tiny", "--lora", "4", "--load-in-4bit",
                               "--out", "tuned")),
    "text": ("langdetect", ("run", "ifeval", "--model", "echo", "--data", "sample")),
    "bfcl": ("tree_sitter_java", ("run", "bfcl/java", "--model", "echo", "--data", "sample")),
    "gguf": ("gguf", ("finetune", "rows.jsonl", "--model", "tiny", "--out", "tuned", "--export", "gguf")),
    "web": ("starlette", ("view",)),
    "scale": ("ray", (*ECHO, "--engine", "ray")),
    "stores": ("s3fs", ("show", "s3://bucket/runs/a")),
    "inspect": ("zstandard", ("import", "inspect", next((ROOT / "tests/importers/files").glob("*.eval")))),
    "mlflow": ("mlflow", (*ECHO, "--log-to", "mlflow")),
    "wandb": ("wandb", (*ECHO, "--log-to", "wandb")),
    "trackio": ("trackio", (*ECHO, "--log-to", "trackio")),
    "opentelemetry": ("opentelemetry", (*ECHO, "--log-to", "opentelemetry")),
    "sigstore": ("sigstore", ("reproduce", "a", "a", "--record", "a.json", "--sigstore")),
}  # fmt: skip
FIRST = {"sigstore": (*ECHO, "--name", "a")}  # what has to be there
WITHOUT = """import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # what is not installed cannot be imported
from evalharness.cli import guarded
sys.exit(guarded(sys.argv[2:]))
"""


def without(packages, *words, folder):
    command = [sys.executable, "-c", WITHOUT, packages, *map(str, words)]
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)


def test_every_extra_is_held():
    """`dev` is for those who work on the package; without `fast` endpoints are asked by aiohttp, and without `math` the
    second figure of MATH is left out."""
    assert {*WANTS, "dev", "fast", "math"} == EXTRAS.keys()


def test_every_package_of_an_extra_is_known_to_be_of_it():
    called = {"mlflow_skinny": "mlflow", "opentelemetry_sdk": "opentelemetry"}
    for extra in EXTRAS.keys() - {"dev"}:
        for wanted in EXTRAS[extra]:
            name = re.split(r"[\[>;]", wanted)[0].replace("-", "_")
            if name != "evalharness" and not name.endswith("otlp_proto_http"):
                assert install_hint(called.get(name, name)) == f'pip install "evalharness[{extra}]"', name


@pytest.mark.slow
@pytest.mark.parametrize("extra", WANTS)
def test_the_line_to_install_a_missing_extra_is_said(extra, tmp_path):
    package, words = WANTS[extra]
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Say a.", "output": "a"}\n' * 20)
    (tmp_path / "runs").mkdir()
    if extra in FIRST:
        assert without(package, *FIRST[extra], folder=tmp_path).returncode == 0
    said = without(package, *words, folder=tmp_path)
    assert said.returncode == 2 and "Traceback" not in said.stderr, said.stderr
    assert f'pip install "evalharness[{extra}]"' in said.stderr.replace("'", '"'), said.stderr


@pytest.mark.slow
def test_without_the_extra_fast_endpoints_are_asked_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with serve(lambda body: "C") as stub:
        model = ("--model", f"openai:m@{stub.url}")
        said = without("httptools,uvloop", "run", "mmlu", *model, *SAMPLE, folder=tmp_path)
        assert said.returncode == 0 and stub.seen, said.stderr


@pytest.mark.slow
def test_without_the_extra_math_its_second_figure_is_left_out(tmp_path):
    said = without("math_verify", "run", "math500", "--model", "echo", *SAMPLE, folder=tmp_path)
    assert said.returncode == 0 and "symbolic" not in said.stdout, said.stderr
