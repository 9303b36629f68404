"""Rows from the Hugging Face hub, at a pinned revision."""

from __future__ import annotations

from evalharness.data.files import Row as Row
from evalharness.data.rows import Source, SplitRows
from evalharness.errors import DataError, option_name


def from_hub(source: Source, split: str) -> SplitRows:
    import datasets

    datasets.disable_progress_bars()
    try:
        if source.hub_file is not None:
            address = f"hf://datasets/{source.hub}/{source.hub_file}"
            table = datasets.load_dataset("json", data_files={split: address}, split=split)
        else:
            table = datasets.load_dataset(
                source.repository, source.config, split=split, revision=source.revision or None, **source.hub_options
            )
    except Exception as error:  # datasets and the hub client raise a dozen unrelated types when the hub is out of reach
        first = (str(error).splitlines() or [type(error).__name__])[0][:160]
        where = f"{source.place}: " if source.place else ""
        raise DataError(
            f"{where}the hub data set {source.repository} cannot be read ({first}); say "
            f"{option_name('data', 'FOLDER')} with {source.wanted}, or {option_name('data', 'sample')}; "
            "`evalh data pull BENCHMARK --to FOLDER` makes such a folder where there is a network"
        ) from error
    rows = tuple(dict(r) for r in table)
    return SplitRows(rows=rows, origin=f"hub {source.repository}", revision=source.revision, kind="hub")
