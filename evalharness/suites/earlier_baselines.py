"""The baselines of a folder as earlier commits had them: one that every merge sets anew has its history there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalharness.comparison.baseline import SUFFIX
from evalharness.suites.git_ref import find_repository

_MOST = 500  # commits of a folder that are read


def write_earlier_baselines(folders: Sequence[Path], into: Path) -> Path:
    """Write every earlier state of the folders' baselines into a folder, as `NAME@COMMIT.jsonl`; what is there today,
    or in another commit too, is written once. Returns that folder. UserError outside of a repository."""
    repository = find_repository()
    seen = {file.read_bytes() for folder in folders for file in folder.glob(f"*{SUFFIX}")}
    for folder in folders:
        for commit in repository.commits_of(folder, _MOST):
            for name in repository.names_at(commit, folder):
                taken = repository.file_at(commit, folder / name, into / "taken") if name.endswith(SUFFIX) else None
                if taken is None or (content := taken.read_bytes()) in seen:
                    continue
                seen.add(content)
                taken.rename(into / f"{Path(name).stem}@{commit[:8]}{SUFFIX}")
    return into
