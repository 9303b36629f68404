"""The record of a reproduction: what it says, and a signature that OpenSSH itself verifies."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import types

import pytest
from run_folders import letters, write_run

from evalharness.evidence.statement import authenticated_bytes

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")


@pytest.fixture
def runs(tmp_path):
    same = {"model": {"name": "m", "fingerprint": "f"}}
    return [str(write_run(tmp_path / "runs" / name, letters("quiz", "1" * 40), **same)) for name in ("a", "b")]


def payload(file):
    return base64.b64decode(json.loads(file.read_text())["payload"])


def test_the_record_names_files_by_hash_and_the_verdict(evalh, runs, tmp_path):
    said = evalh("reproduce", *runs, "--record", "r.json")
    assert said.code == 0, said.err
    made = json.loads(payload(tmp_path / "r.json"))
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicate"]["verdict"] == "same bytes"
    assert made["predicate"]["model"] == {"name": "m", "fingerprint": "f"}
    for subject in made["subject"]:
        content = (tmp_path / "runs" / subject["name"]).read_bytes()
        assert subject["digest"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert json.loads((tmp_path / "r.json").read_text())["signatures"] == []


def test_the_encoding_is_that_of_dsse():
    """As in the protocol's own example, but for the type of the payload."""
    assert authenticated_bytes(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


@needs_ssh
def test_a_signature_holds_and_a_changed_payload_breaks_it(evalh, runs, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    assert evalh("reproduce", *runs, "--record", "r.json", "--key", key).code == 0
    signature = json.loads((tmp_path / "r.json").read_text())["signatures"][0]
    assert signature["keyid"].startswith("SHA256:")
    (tmp_path / "sig").write_bytes(base64.b64decode(signature["sig"]))
    (tmp_path / "signers").write_text(f"me {key.with_suffix('.pub').read_text()}")
    words = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "me", "-n", "in-toto", "-s", "sig"]
    signed = authenticated_bytes(payload(tmp_path / "r.json"))
    codes = [
        subprocess.run(words, input=message, cwd=tmp_path, capture_output=True, check=False).returncode
        for message in (signed, signed.replace(b"same bytes", b"same bites"))
    ]
    assert codes[0] == 0
    assert codes[1] != 0


def test_bad_keys_are_one_line(evalh, runs, tmp_path):
    (tmp_path / "nokey").write_text("no key at all")
    for words in (("--key", "x"), ("--record", "r.json", "--key", "nowhere"), ("--record", "r.json", "--key", "nokey")):
        said = evalh("reproduce", *runs, *words)
        assert said.code == 2, words
        assert said.err.count("\n") == 1
        assert not (tmp_path / "r.json").exists()


def test_sigstore_says_what_it_wants_and_writes_nothing(evalh, runs, tmp_path, monkeypatch):
    monkeypatch.setattr("evalharness.evidence.sigstore_bundle.find_spec", lambda _: None)
    said = evalh("reproduce", *runs, "--record", "r.json", "--sigstore")
    assert (said.code, "pip install 'evalharness[sigstore]'" in said.err) == (2, True), said
    assert not (tmp_path / "r.json").exists()
    for words in (("--sigstore",), ("--record", "r.json", "--sigstore", "--key", "k")):
        assert evalh("reproduce", *runs, *words).code == 2


def test_a_sigstore_that_cannot_be_reached_is_one_line(evalh, runs, tmp_path, monkeypatch):
    """The package's own names and errors, as of sigstore 4.5, without its network."""
    made = {name: types.ModuleType(f"sigstore.{name}") for name in ("dsse", "errors", "models", "oidc", "sign")}
    kinds = {name: type(name, (Exception,), {}) for name in ("Error", "IssuerError", "ExpiredIdentity")}

    class Trust:
        @classmethod
        def production(cls):
            raise kinds["Error"]("Failed to refresh TUF metadata")

    vars(made["dsse"]).update(Statement=bytes)
    vars(made["errors"]).update(Error=kinds["Error"])
    vars(made["models"]).update(ClientTrustConfig=Trust)
    vars(made["oidc"]).update(kinds, IdentityToken=str, Issuer=object, detect_credential=lambda: None)
    vars(made["sign"]).update(SigningContext=object)
    monkeypatch.setattr("evalharness.evidence.sigstore_bundle.find_spec", lambda _: True)
    for name, module in {
        "sigstore": types.ModuleType("sigstore"),
        **{f"sigstore.{k}": v for k, v in made.items()},
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    said = evalh("reproduce", *runs, "--record", "r.json", "--sigstore")
    assert (said.code, "Failed to refresh TUF metadata" in said.err) == (2, True), said
    assert said.err.count("\n") == 1
    assert not (tmp_path / "r.json").exists()
