"""Files as a git ref has them, so that a change under test cannot bring its own yardstick."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from evalharness.data.files import write_whole
from evalharness.errors import UserError, option_name

_PATIENCE = 600.0  # seconds: a fetch of a large repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A checkout: its top folder, and the folder in it that relative paths start from."""

    top: Path
    here: Path

    def commit_of(self, ref: str, option: str) -> str:
        """The commit of a ref: the remote's own where there is a remote that has it, else the local one.

        `option` names the option in messages. UserError where there is no such ref.
        """
        if not ref or ref.startswith("-") or not ref.isprintable():
            raise UserError(f"{option_name(option)} {ref!r:.80}: wanted a branch, tag or commit")
        if "origin" in self._said("remote").split():
            shallow = self._said("rev-parse", "--is-shallow-repository").strip() == "true"
            depth = ["--depth=1"] if shallow else []  # it would make a whole checkout shallow
            there = ref.removeprefix("origin/")  # what this repository calls the remote's branch
            if there and self._git("fetch", "--quiet", "--no-tags", *depth, "origin", there).returncode == 0:
                return self._said("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()
        found = self._git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if found.returncode:
            raise UserError(f"{option_name(option)} {ref!r:.80}: neither origin nor this repository has it")
        return found.stdout.decode().strip()

    def file_at(self, commit: str, path: Path, into: Path) -> Path | None:
        """The file as the commit has it, written under `into`; None where the commit has none."""
        found = self._git("cat-file", "blob", f"{commit}:{self.inside(path)}")
        if found.returncode:
            return None
        into.mkdir(parents=True, exist_ok=True)
        write_whole(into / path.name, found.stdout)
        return into / path.name

    def names_at(self, commit: str, folder: Path) -> list[str]:
        """What lies in a folder as the commit has it; nothing where it has no such folder."""
        found = self._git("ls-tree", "-z", "--name-only", f"{commit}:{self.inside(folder)}")
        return [name for name in found.stdout.decode("utf-8", "replace").split("\0") if name]

    def commits_of(self, folder: Path, most: int) -> list[str]:
        """The commits that changed files of a folder, the newest first."""
        return self._said("log", f"--max-count={most}", "--format=%H", "--", self.inside(folder)).split()

    def tree_at(self, commit: str, into: Path) -> Path:
        """All files of the commit under `into`. Returns the folder there that stands for this one.

        UserError where git cannot pack them, or a path or link in them leads out of the folder.
        """
        command = ["git", "-C", str(self.top), "archive", "--format=tar", commit]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packing:
            try:
                with tarfile.open(fileobj=packing.stdout, mode="r|") as tar:
                    tar.extractall(into, filter="data")
            except (tarfile.TarError, OSError) as error:
                raise UserError(f"the files of {commit:.12} cannot be unpacked ({error})") from error
        return into / self.inside(Path())

    def tracked(self, folder: Path) -> bool:
        """Whether the repository holds files of this folder, so that a change brings them along."""
        whole = (self.here / folder).resolve()
        return whole.is_relative_to(self.top) and bool(self._said("ls-files", "-z", "--", self.inside(folder)))

    def inside(self, path: Path) -> str:
        """A path as the repository calls it. UserError where it lies outside."""
        try:
            return (self.here / path).resolve().relative_to(self.top).as_posix()
        except ValueError:
            raise UserError(f"{path}: lies outside of the repository {self.top}, so no ref has it") from None

    def _said(self, *words: str) -> str:
        """What git prints. UserError where it fails."""
        return _said_by(self._git(*words), words[0])

    def _git(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return _run("-C", str(self.top), *words)


def find_repository() -> Repository:
    """The repository that the working folder is in. UserError where it is in none."""
    top = _said_by(_run("rev-parse", "--show-toplevel"), "rev-parse").rstrip("\n")
    return Repository(top=Path(top).resolve(), here=Path.cwd())


def _said_by(found: subprocess.CompletedProcess[bytes], word: str) -> str:
    if found.returncode:
        said = found.stderr.decode("utf-8", "replace").strip()[:300]
        raise UserError(f"git {word}: {said or 'failed without a word'}")
    return found.stdout.decode("utf-8", "replace")


def _run(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *words], capture_output=True, check=False, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise UserError("git is not installed, so no file can be taken from a ref") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"git took longer than {_PATIENCE:.0f} s") from None
