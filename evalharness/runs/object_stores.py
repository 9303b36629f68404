"""Folders of runs in object stores: any address that fsspec knows (`s3://`, `gs://`, `hf://`, `memory://`).

Work is done on a copy on this machine, the mirror, and nothing else in the program knows of stores: what is there is
fetched when a command begins, and what was written is sent while it goes on and at its end. An object cannot be
appended to, so the journal of a run that is not finished is sent in parts of whole lines, `results.jsonl.parts/BYTE`;
the finished one is one object again. The summary is sent last: who finds one finds all of the run.
"""

from __future__ import annotations

import contextvars
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evalharness.data.files import OWN_FILE, own_folder, write_whole
from evalharness.errors import UserError
from evalharness.events import warn
from evalharness.runs.store import MANIFEST, SUMMARY
from evalharness.text.visible import line

_ADDRESS = re.compile(r"\A([a-z][a-z0-9+]*)://?(?=[^/\s])(.*)", re.DOTALL)  # a Path has lost one of the slashes
_NO_STORES = frozenset({"http", "https", "file", "local"})
_OWN_FILES = re.compile(r"\Afile:(?://(?:localhost)?)?/(?=[^/]|\Z)(.*)", re.DOTALL)
_PARTS = ".parts"
_NOTE = ".store"  # beside a file of a mirror: what it and its object were when they were last the same
_OF_CACHES = re.compile(r"(^|/)\.cache/")
_NOT_SENT = re.compile(r"(^|/)\.[^/]*$|\.cache/(view|prepared|batches)|\.cache/runs\.|-(wal|shm|journal)$")
EVERY = 10.0  # seconds between sending what is new
_TRIES, _PAUSE = 3, 1.0


def is_store(place: str | Path) -> bool:
    """Whether a place is an address in an object store."""
    found = _ADDRESS.fullmatch(str(place))
    if found is None or found[1] in _NO_STORES or len(found[1]) < 2:
        return False
    from fsspec.registry import known_implementations, registry

    return found[1] in known_implementations or found[1] in registry


@dataclass(frozen=True, slots=True)
class _State:
    """What a file was on both sides when they were last the same: its size and time here, its mark there, and for a
    journal in parts how many bytes of it are there."""

    size: int
    mtime_ns: int
    mark: str
    sent: int = 0


class Mirror:
    """A folder of this machine that stands for one in a store."""

    def __init__(self, address: str | Path) -> None:
        scheme, rest = _ADDRESS.fullmatch(str(address)).groups()  # type: ignore[union-attr]  # asked by `is_store`
        if "@" in rest.partition("/")[0] or "?" in rest:
            raise UserError(
                f"{scheme}://...: an address without user, key and query; credentials are the environment's"
            )
        self.address = f"{scheme}://{rest.rstrip('/')}"
        parts = [part for part in PurePosixPath(rest).parts if part not in ("..", "/")]
        self.folder = _cache_folder().joinpath(scheme, *parts)
        self._files, self._root = _file_system(self.address)
        self._lock = threading.Lock()
        self._down = False
        self._caches: dict[str, str] = {}  # those of the store when it was last fetched, with their marks

    def fetch(self) -> None:
        """Bring what is new in the store here; what was written here and not sent yet stays. UserError where the store
        cannot be reached or read."""
        with self._lock:
            try:
                self._fetch()
            except Exception as error:  # a store's package raises what it likes, such as botocore's own errors
                raise UserError(f"{self.address}: cannot be read ({_said(error)})") from error

    def send(self, *, ended: bool = False) -> bool:
        """Send what is new here; data bases only when the command has ended. A failure is a warning, once until it goes
        again; whether all is there now."""
        with self._lock:
            try:
                self._send(ended)
            except Exception as error:  # as above: the run must not end by it
                if not self._down:
                    warn(f"{self.address}: cannot be written ({_said(error)}); the run goes on and it is tried again")
                self._down = True
                return False
            self._down = False
            return True

    def _there(self) -> dict[str, dict[str, Any]]:
        """The objects in the store, by their names from its root on."""
        self._files.invalidate_cache()
        if self._files.isfile(self._root):
            return {"": self._files.info(self._root)}
        found = self._files.find(self._root, detail=True)
        return {name.removeprefix(self._root).lstrip("/"): info for name, info in found.items()}

    def _fetch(self) -> None:
        there = self._there()
        in_parts: dict[str, list[str]] = {}
        for name, info in sorted(there.items()):
            whole, in_part, _ = name.partition(f"{_PARTS}/")
            if in_part:
                in_parts.setdefault(whole, []).append(name)
            elif self._to_fetch(name, _mark(info)):
                self._bring(name, [name], _mark(info))
        for whole, names in in_parts.items():
            mark = " ".join(f"{name}:{there[name].get('size')}" for name in names)
            if whole not in there and self._to_fetch(whole, mark):
                self._bring(whole, _following(whole, names, there), mark)
        for name in self._names():
            if name not in there and name not in in_parts and self._known(name) != _NONE and not self._is_new(name):
                self._here(name).unlink()  # it was there once, and is not any more
                self._note_of(name).unlink()

        self._caches = {name: _mark(info) for name, info in there.items() if _OF_CACHES.search(name)}

    def _to_fetch(self, name: str, mark: str) -> bool:
        """Whether the store has another file than is here. What was written here and not sent is kept."""
        known = self._known(name)
        if known.mark == mark and self._here(name).is_file():
            return False
        if not self._is_new(name):
            return True
        if known.mark not in (mark, ""):
            warn(f"{self._here(name)}: written here and in {self.address} since it was last sent; this one is kept")
        return False

    def _is_new(self, name: str) -> bool:
        """Whether a file was written here since both sides were the same, or its parts are to become one object."""
        path, known = self._here(name), self._known(name)
        if not path.is_file():
            return False
        now = path.stat()
        in_parts = known.sent > 0 and (path.parent / SUMMARY).is_file()
        return in_parts or (now.st_size, now.st_mtime_ns) != (known.size, known.mtime_ns)

    def _bring(self, name: str, objects: Sequence[str], mark: str) -> None:
        path = self._here(name)
        if self.folder != path and self.folder not in path.resolve().parents:
            raise ValueError(f"{name!r:.80} leads out of the folder")
        own_folder(path.parent)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWN_FILE), "wb") as file:
                for each in objects:
                    with self._files.open(self._at(each), "rb") as source:
                        while block := source.read(1 << 22):
                            file.write(block)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        now = path.stat()
        self._note(name, _State(now.st_size, now.st_mtime_ns, mark, now.st_size if objects != [name] else 0))

    def _names(self) -> list[str]:
        """The files that are here, by their names from the folder on."""
        if self.folder.is_file():
            return [""]
        return [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()]

    def _send(self, ended: bool) -> None:
        for name in sorted(self._names(), key=lambda name: (name.endswith(SUMMARY), name.endswith(MANIFEST), name)):
            if not _NOT_SENT.search(name) and (ended or not name.endswith(".sqlite")) and self._is_new(name):
                self._send_file(name)
        if ended:
            self._drop_caches()

    def _drop_caches(self) -> None:
        """Delete in the store the caches that were deleted here since, where nobody wrote them meanwhile. Runs stay
        there: whoever tidies up a mirror means no run of the store."""
        gone = [n for n in self._caches if self._note_of(n).is_file() and not self._here(n).exists()]
        there = self._there() if gone else {}
        for name in gone:
            if name in there and _mark(there[name]) == self._caches[name]:
                self._files.rm(self._at(name))
            self._note_of(name).unlink()

    def _send_file(self, name: str) -> None:
        path, known = self._here(name), self._known(name)
        now = path.stat()
        growing = path.suffix == ".jsonl" and (path.parent / MANIFEST).is_file()
        if growing and not (path.parent / SUMMARY).is_file():
            sent = self._send_part(name, known.sent if now.st_size >= known.sent else 0)
            self._note(name, _State(now.st_size if sent == now.st_size else -1, now.st_mtime_ns, "", sent))
            return
        self._files.put_file(str(path), self._at(name))
        if growing and self._files.exists(self._at(name) + _PARTS):
            self._files.rm(self._at(name) + _PARTS, recursive=True)
        self._files.invalidate_cache()
        self._note(name, _State(now.st_size, now.st_mtime_ns, _mark(self._files.info(self._at(name)))))

    def _send_part(self, name: str, start: int) -> int:
        """Send the whole lines of a journal from a byte on; up to which byte it is in the store then."""
        if start == 0 and self._files.exists(self._at(name) + _PARTS):  # it was written anew
            self._files.rm(self._at(name) + _PARTS, recursive=True)
        with self._here(name).open("rb") as file:
            file.seek(start)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        if data:
            self._files.pipe_file(f"{self._at(name)}{_PARTS}/{start:015d}", data)
        return start + len(data)

    def _here(self, name: str) -> Path:
        return self.folder / name if name else self.folder

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _known(self, name: str) -> _State:
        try:
            return _State(**json.loads(self._note_of(name).read_bytes()))
        except (OSError, ValueError, TypeError):  # nothing is known
            return _NONE

    def _note(self, name: str, state: _State) -> None:
        write_whole(self._note_of(name), json.dumps({k: getattr(state, k) for k in _State.__slots__}), OWN_FILE)

    def _note_of(self, name: str) -> Path:
        path = self._here(name)
        return path.with_name(f".{path.name}{_NOTE}")


_NONE = _State(-1, -1, "")


def _following(whole: str, names: Sequence[str], there: dict[str, dict[str, Any]]) -> list[str]:
    """Those parts of a journal that follow each other from its first byte on."""
    found, end = [], 0
    for name in names:
        if name == f"{whole}{_PARTS}/{end:015d}":
            found.append(name)
            end += int(there[name].get("size") or 0)
    return found


def _mark(info: dict[str, Any]) -> str:
    """What changes when an object does, as far as its store says such a thing."""
    names = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created", "blob_id")
    return " ".join(str(info[name]) for name in (*names, "size") if info.get(name) is not None)


def _said(error: BaseException) -> str:
    return line(str(error) or type(error).__name__, 300)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve() / "evalharness" / "stores"


def _file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. UserError where its package is missing."""
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        raise UserError(f'{address}: {_said(error)}; `pip install "evalharness[stores]"` has s3 and gs') from error
    except Exception as error:  # as it reads settings and keys
        raise UserError(f"{address}: {_said(error)}") from error
    return files, str(root).rstrip("/")


def _folder_here(place: str | Path) -> Path:
    """The folder that a place which is no store names. UserError for the address of something else: it would be taken
    for the name of a folder."""
    if own := _OWN_FILES.fullmatch(str(place)):
        return Path("/", own[1])
    if odd := re.match(r"([a-z][a-z0-9+]+):/", str(place)):
        raise UserError(f"{odd[1]}://...: wanted a folder, file:///..., or a store that is known, as s3://bucket/runs")
    return Path(place)


@contextmanager
def mirrored(place: str | Path, *, watch: bool = False) -> Iterator[Path]:
    """The folder of this machine for a place: itself, or its mirror, which is fetched, and sent now and then and at the
    end. `watch`: what is new in the store is fetched meanwhile."""
    if not is_store(place):
        yield _folder_here(place)
        return
    mirror = Mirror(place)
    mirror.fetch()
    over = threading.Event()

    def keep() -> None:
        while not over.wait(EVERY):
            mirror.send()
            if watch:
                try:
                    mirror.fetch()
                except UserError as error:
                    warn(str(error))

    around = contextvars.copy_context()  # who hears warnings is found through it
    thread = threading.Thread(target=around.run, args=(keep,), name=f"mirror of {mirror.address}", daemon=True)
    thread.start()
    try:
        yield mirror.folder
    finally:
        over.set()
        thread.join()
        if not any(mirror.send(ended=True) or threading.Event().wait(_PAUSE * 4**n) for n in range(_TRIES)):
            warn(f"{mirror.address}: not all is there; it is kept in {mirror.folder}, and the next command sends it")


def fetched(place: str | Path) -> Path:
    """The folder or file of this machine for a place that is only read: itself, or its mirror as it is now."""
    if not is_store(place):
        return _folder_here(place)
    mirror = Mirror(place)
    mirror.fetch()
    return mirror.folder


_FOLDERS = frozenset({"--runs", "--baselines"})
# Options whose values are no places of runs.
_OTHER_OPTIONS = frozenset({
    "--data", "--model", "-m", "--judge", "-j", "--base-url", "--judge-base-url", "--model-option", "--extra",
    "--header", "--system", "--engine-args", "--address", "--judge-template", "--database", "--items", "--prompts",
    "--base",
})  # fmt: skip


@contextmanager
def with_mirrors(words: Sequence[str]) -> Iterator[list[str]]:
    """The words of a command line, with the mirrors of stores in place of their addresses."""
    with ExitStack() as opened:
        found: list[str] = []
        for before, word in zip(["", *words], words, strict=False):
            option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
            named = option or (before if before.startswith("-") else "")
            address = named not in _OTHER_OPTIONS and (is_store(value) or value.startswith("file:/"))
            if address or (named in _FOLDERS and value):
                word = f"{option}{equals}{opened.enter_context(mirrored(value, watch=words[0] == 'view'))}"
            found.append(word)
        yield found
