"""Members of zip archives, also those packed with zstd (method 93), which Python's own zipfile reads from 3.14 on."""

from __future__ import annotations

import importlib
import io
import math
import struct
import zipfile
import zlib
from pathlib import Path

from evalharness.data.files import no_bomb
from evalharness.errors import DataError, UserError

ZSTD = 93  # APPNOTE 6.3.8 of the zip format, 4.4.5
LARGEST_MEMBER = 1 << 28  # bytes, unpacked
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # 4.3.7; behind it the name, the extra field and the packed bytes
BROKEN_ZIP = (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile, struct.error)


class ZipMembers:
    """The members of an archive by name. DataError for what is no archive or unpacks to far more than it is.

    UserError where a member is packed with zstd and no package here unpacks that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._packed, self._unpacked = path.stat().st_size, 0
            self._archive = zipfile.ZipFile(path)
        except BROKEN_ZIP as error:
            raise DataError(f"{path}: not a readable zip archive: {error}") from error

    def __enter__(self) -> ZipMembers:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def names(self) -> list[str]:
        """The names of all members, in the order of the archive."""
        return self._archive.namelist()

    def read(self, name: str) -> bytes:
        """A member unpacked."""
        info = self._archive.getinfo(name)
        self._unpacked += info.file_size
        no_bomb(self.path, self._packed, self._unpacked, most=math.inf)
        if info.file_size > LARGEST_MEMBER:
            raise DataError(f"{self.path}: {name} is larger than {LARGEST_MEMBER:,} bytes")
        try:
            return self._zstd(info) if info.compress_type == ZSTD else self._archive.read(info)
        except BROKEN_ZIP as error:
            raise DataError(f"{self.path}: {name} cannot be unpacked: {error}") from error

    def text(self, name: str) -> str:
        """A member that is UTF-8 text."""
        try:
            return self.read(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: {name} is not UTF-8 text ({error.reason})") from error

    def _zstd(self, info: zipfile.ZipInfo) -> bytes:
        try:
            zstandard = importlib.import_module("zstandard")
        except ImportError as error:
            raise UserError(
                f'{self.path}: packed with zstd; pip install "evalharness[inspect]" (or zstandard), and it is read'
            ) from error
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
            file.seek(header[-2] + header[-1], io.SEEK_CUR)
            packed = file.read(info.compress_size)
        try:
            with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
                found = bytes(reader.read(info.file_size + 1))
        except zstandard.ZstdError as error:
            raise DataError(f"{self.path}: {info.filename} cannot be unpacked: {error}") from error
        if len(found) != info.file_size or zlib.crc32(found) != info.CRC:
            raise DataError(f"{self.path}: {info.filename} is damaged: its size or checksum is another")
        return found
