"""Packs a source distribution anew so that the same files give the same bytes: setuptools writes the build's time and
user into it. `SOURCE_DATE_EPOCH=SECONDS python tools/repack_sdist.py FILE.tar.gz`"""

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path


def repack(file: Path, seconds: int) -> None:
    """Replace the archive by one with sorted members, all of the same time and of nobody."""
    packed = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = seconds, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    with file.open("wb") as out, gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=seconds) as zipped:
        zipped.write(packed.getvalue())


if __name__ == "__main__":
    repack(Path(sys.argv[1]), int(os.environ["SOURCE_DATE_EPOCH"]))
