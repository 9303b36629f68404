"""A reproduction as a signed record: an in-toto statement in a DSSE envelope, so that another party can trust a number.

The statement (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) names the run's files by sha256
and says what came of making it again. The envelope (https://github.com/secure-systems-lab/dsse) is signed by OpenSSH:
`ssh-keygen -Y sign` over DSSE's pre-authentication encoding, namespace `in-toto`; whoever knows the public key
verifies it with `ssh-keygen -Y verify`.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from pathlib import Path

from evalharness.data.files import digest, write_whole
from evalharness.data.kept import finite, to_json
from evalharness.errors import UserError, option_name
from evalharness.evidence.reproduce import Reproduction
from evalharness.evidence.sigstore_bundle import sigstore_bundle
from evalharness.runs.journal import dumps
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run

PAYLOAD_TYPE = "application/vnd.in-toto+json"
NAMESPACE = "in-toto"
_SECONDS = 60


def reproduction_statement(found: Reproduction) -> dict[str, object]:
    """What is said of a run that was made again: its files and the other run's by sha256, verdict, reasons, figures."""
    run, again = Run(Path(found.run)), Run(Path(found.again))
    said = {
        "verdict": found.verdict, "because": found.because, "not_held": found.not_held,
        "benchmarks": found.benchmarks, "model": {"name": run.manifest.model.name, "fingerprint":
        run.manifest.model.fingerprint}, "again": _digests(again), "versions": again.manifest.versions,
        "created": again.manifest.created,
    }  # fmt: skip
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{run.name}/{name}", "digest": {"sha256": sha}} for name, sha in _digests(run).items()],
        "predicateType": "urn:evalharness:reproduction:v1",
        "predicate": finite(to_json(said)),
    }


def _digests(run: Run) -> dict[str, str]:
    return {name: digest(run.path / name) for name in (MANIFEST, JOURNAL, SUMMARY)}


def authenticated_bytes(payload: bytes) -> bytes:
    """What a DSSE signature is over: DSSE's pre-authentication encoding, version 1."""
    kind = PAYLOAD_TYPE.encode()
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])


def write_record(found: Reproduction, file: Path, key: Path | None, *, sigstore: bool = False) -> None:
    """Write the envelope, signed where a private key of OpenSSH is given, or the bundle that sigstore makes of the
    statement. UserError where neither can sign, or the file cannot be written."""
    payload = dumps(reproduction_statement(found))
    _write(file, sigstore_bundle(payload) if sigstore else _envelope(payload, key))


def _envelope(payload: bytes, key: Path | None) -> bytes:
    signatures = [] if key is None else [_signature(authenticated_bytes(payload), key)]
    envelope: Mapping[str, object] = {
        "payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(payload).decode(), "signatures": signatures,
    }  # fmt: skip
    return dumps(envelope) + b"\n"


def _write(file: Path, record: bytes) -> None:
    try:
        write_whole(file, record)
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror})") from error


def _signature(message: bytes, key: Path) -> dict[str, str]:
    if not key.is_file():
        raise UserError(f"{option_name('key', key)}: there is no such file; `ssh-keygen -t ed25519` makes a key")
    signed = _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, "-f", str(key)], message, key)
    known = _ssh_keygen(["-l", "-f", str(key)], b"", key).decode(errors="replace").split()
    return {"keyid": known[1] if len(known) > 1 else "", "sig": base64.b64encode(signed).decode()}


def _ssh_keygen(words: list[str], message: bytes, key: Path) -> bytes:
    try:
        done = subprocess.run(
            ["ssh-keygen", *words], input=message, capture_output=True, timeout=_SECONDS, check=False,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError("signing wants ssh-keygen of OpenSSH, which is not installed here") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{key}: ssh-keygen took over {_SECONDS} s; give a key without a passphrase") from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise UserError(f"{key}: ssh-keygen cannot sign with it ({said[:200]})")
    return done.stdout
