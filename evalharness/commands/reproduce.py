"""`evalh reproduce`: a run made again from its manifest, and whether it is the same."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh reproduce runs/a
evalh reproduce runs/a runs/a-by-others --record a.intoto.json --key ~/.ssh/id_ed25519
"""


def reproduce(
    run: Annotated[str, Argument(help="A finished run, by folder or name.")],
    again: Annotated[
        str | None, Argument(help="A second run of the same thing; without it the run is made again.")
    ] = None,
    yes_run_its_command: Annotated[
        bool,
        Option("--yes-run-its-command", help="Also where the command in run.json names programs or addresses."),
    ] = False,
    record: Annotated[Path | None, Option(help="Write the verdict here, as an in-toto statement.")] = None,
    key: Annotated[Path | None, Option(help="Sign the record with this private key of OpenSSH.")] = None,
    sigstore: Annotated[
        bool, Option("--sigstore", help="Sign the record by who you are, online, in place of a key.")
    ] = False,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Make a run again and say: same bytes, same within noise, or different and because of what."""
    from evalharness.errors import UserError
    from evalharness.evidence.reproduce import reproduce_run
    from evalharness.evidence.statement import write_record
    from evalharness.report import evidence

    if (key is not None or sigstore) and record is None:
        raise UserError(f"--{'sigstore' if sigstore else 'key'} signs a record; say where it goes: --record FILE")
    if key is not None and sigstore:
        raise UserError("--key and --sigstore are two ways to sign a record; give one")
    found = reproduce_run(run, again, runs=runs, consent=yes_run_its_command)
    if record is not None:
        write_record(found, record, key, sigstore=sigstore)
    evidence.show_reproduction(found, as_json=as_json)
    return found.exit_code
