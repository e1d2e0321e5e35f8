"""Files and folders into and out of elements. A copy that broke off goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO, Iterator, Union

from ._errors import Conflict, LabError
from ._http import CHUNK, Transport, pieces

FileName = Union[str, "os.PathLike[str]"]

#: Tries to go on, each without a byte more than the one before.
TRIES = 6
#: Seconds before the first of them; twice as long before each further one.
PAUSE = 0.2

BROKEN = (OSError, http.client.HTTPException)


def upload(transport: Transport, element: str, source: FileName, to: str) -> None:
    """Copies a file or folder to a path in an element."""
    with tempfile.TemporaryFile() as packed:
        _pack(Path(source).resolve(), packed)
        # Named by its content, an upload is found again by whoever goes on with it.
        part = _digest(packed, to)
        patience = _Patience()
        while True:
            held = 0
            try:
                answer = transport.call("GET", element + "/files/held", {"part": part})
                held = int(answer["bytes"])
                packed.seek(held)
                query = {"path": to, "part": part, "offset": held}
                transport.call("PUT", element + "/files", query, body=packed)
                return
            except (LabError, *BROKEN) as error:
                patience.after(error, held)


def download(transport: Transport, element: str, source: str, target: FileName) -> Path:
    """Copies a file or folder of an element into a folder here, or to a new name; returns where it is."""
    to = Path(target)
    folder = to if to.is_dir() else to.parent
    purpose = "\n".join((transport.url, element, source, str(to.resolve())))
    part = folder / (".tomato-copy-" + hashlib.sha256(purpose.encode()).hexdigest()[:16])
    version = part.with_name(part.name + ".version")
    patience = _Patience()
    while True:
        try:
            _receive(transport, element, source, part, version)
            break
        except Conflict:
            # What is there is of files that have changed since.
            part.unlink()
        except (LabError, *BROKEN) as error:
            patience.after(error, _length(part))
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".tomato-") as new:
            with tarfile.open(part) as tar:
                _unpack(tar, Path(new))
            (only,) = Path(new).iterdir()
            place = to / only.name if to.is_dir() else to
            _move(only, place)
            return place
    finally:
        _remove(part, version)


class _Patience:
    def __init__(self) -> None:
        self.tries = 0
        self.there = 0

    def after(self, error: BaseException, there: int) -> None:
        """Waits before the next try; raises the error if there is none."""
        if there > self.there:
            self.tries, self.there = 0, there
        # A host that is away comes back.
        is_answer = isinstance(error, LabError) and error.code not in ("unreachable", "host_error")
        if is_answer or self.tries == TRIES:
            raise error
        time.sleep(PAUSE * 2**self.tries)
        self.tries += 1


def _pack(path: Path, packed: IO[bytes]) -> None:
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for inside in [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]:
            entry = tar.gettarinfo(str(inside), str(inside.relative_to(path.parent)))
            if entry is None or not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
                continue
            if entry.isreg():
                with inside.open("rb") as file:
                    tar.addfile(entry, file)
            else:
                tar.addfile(entry)


def _digest(packed: IO[bytes], to: str) -> str:
    packed.seek(0)
    digest = hashlib.sha256(to.encode() + b"\n")
    for piece in iter(lambda: packed.read(CHUNK), b""):
        digest.update(piece)
    return digest.hexdigest()


def _receive(transport: Transport, element: str, source: str, part: Path, version: Path) -> None:
    query = {"path": source}
    there = _length(part)
    if there and version.exists():
        query.update(offset=str(there), version=version.read_text())
    else:
        there = 0
    answer = transport.open("GET", element + "/files", query)
    if not there:
        version.write_text((answer.getheader("ETag") or "").strip('"'))
    with part.open("ab" if there else "wb") as output:
        output.writelines(pieces(answer))


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _remove(*files: Path) -> None:
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()


def _unpack(tar: tarfile.TarFile, to: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        tar.extractall(to, filter="data")
        return
    # Older Pythons would follow links and paths that lead out.
    tar.extractall(to, members=_plain(tar))


def _plain(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for entry in tar:
        if (entry.isreg() or entry.isdir()) and not entry.name.startswith("/") and ".." not in entry.name.split("/"):
            yield entry


def _move(new: Path, place: Path) -> None:
    if new.is_dir() and place.is_dir():
        shutil.copytree(new, place, symlinks=True, dirs_exist_ok=True)
    else:
        os.replace(new, place)
