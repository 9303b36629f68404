"""`evalh sandbox`: which fence untrusted programs would run behind here, and how it stood its self-test."""

from typing import Annotated

from typer import Option


def sandbox(
    wanted: Annotated[
        str, Option("--sandbox", help="auto, namespace, landlock, seatbelt, docker, podman, gvisor.")
    ] = "auto",
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Attack the sandbox with its own self-test and say which tier holds on this machine."""
    import json

    from evalharness.sandbox.tiers import open_sandbox

    with open_sandbox(wanted, workers=1) as opened:
        record = opened.record
    if as_json:
        print(json.dumps(record))
        return
    print(f"tier: {record['tier']}")
    for what, happened in record["self_test"].items():
        print(f"  {happened:>6}  {what}")
