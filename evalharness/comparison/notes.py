"""What is to be known of two runs together, besides what is said of each benchmark."""

from __future__ import annotations

from evalharness.comparison.inputs import Side

SAME_RUN = "NEW is the very run that BASE was made of: nothing was asked anew, so no change can show"


def comparison_notes(base: Side, new: Side) -> tuple[str, ...]:
    """One line for each."""
    found = []
    prints = [side.manifest.model.fingerprint for side in (base, new)]
    if _same_run(base, new):
        found.append(SAME_RUN)
    elif prints[0] is not None and prints[0] == prints[1]:
        found.append("both sides are the same model (same fingerprint)")
    for word, side in (("BASE", base), ("NEW", new)):
        if side.rescored_from is not None:
            scored, read = side.rescored_from
            found.append(
                f"{word} was scored by version {scored} of the rules and read by version {read}; its answers were "
                "scored again"
            )
        stopped = [name for name in side.facts if side.stopped_early(name)]
        if stopped:
            found.append(
                f"{word} was stopped early on {', '.join(stopped)}: that interval is not corrected for stopping"
            )
    refused = [side.manifest.model.left_out for side in (base, new)]
    if refused[0] != refused[1]:
        sides = "; ".join(
            f"{', '.join(said) or 'nothing'} in {word}" for word, said in zip(("BASE", "NEW"), refused, strict=True)
        )
        found.append(f"answers were not drawn alike: the endpoint refused, and was asked without, {sides}")
    return tuple(found)


def _same_run(base: Side, new: Side) -> bool:
    """Whether one run is on both sides, as itself or as the baseline that was made of it."""
    one, other = base.manifest, new.manifest
    known = one.name is not None and one.created is not None
    same = (one.name, one.created, one.model.fingerprint) == (other.name, other.created, other.model.fingerprint)
    return known and same and base.summary.benchmarks.keys() == new.summary.benchmarks.keys()
