"""Original files by the hash of their bytes: in the data folder, or in an object store by fsspec URL."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from core.errors import NotFound, Refused

CHUNK = 1 << 20
# free space that must be left beside three times the upload, bytes
SPARE = 200 << 20


def sha256(path: Path) -> str:
    """Hash of a file's bytes, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Blobs:
    """Where original recordings are kept. A file is whole or absent: it gets its name when its bytes are durable."""

    def __init__(self, data_dir: Path, url: str = ""):
        self.data_dir, self.url = data_dir, url
        self.folder = data_dir / "recordings"

    def keep(self, source: Path, digest: str) -> None:
        """Copy a file under its hash, unless it is there; refused when what was copied has another hash."""
        if self.url:
            self._keep_remote(source, digest)
            return
        target = self.folder / digest
        if target.exists() and target.stat().st_size == source.stat().st_size:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.check_space(source.stat().st_size)
        part = self.folder / f"{digest}.{os.getpid()}.{secrets.token_hex(4)}.part"
        found = hashlib.sha256()
        try:
            with source.open("rb") as read, part.open("xb") as write:
                while chunk := read.read(CHUNK):
                    found.update(chunk)
                    write.write(chunk)
                write.flush()
                os.fsync(write.fileno())
            if found.hexdigest() != digest:
                raise Refused("E-FILE-CHANGED", "the file changed while it was read.", source.name, "Send it again.")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(self.folder)

    def fetch(self, digest: str) -> Path:
        """A local path of the bytes with a hash; NotFound (E-RECORDING) when they are gone.

        From an object store they are copied once into the cache folder.
        """
        if not self.url:
            path = self.folder / digest
        else:
            path = self.data_dir / "cache" / "originals" / digest
            if not path.exists():
                self._fetch_remote(digest, path)
        if not path.is_file():
            raise NotFound(
                "E-RECORDING",
                "the original file of this recording is not where it was stored.",
                what_to_do="What was computed from it is still shown; restore the file from a backup to see signals.",
            )
        return path

    def has(self, digest: str) -> bool:
        """Whether the bytes with a hash are there."""
        if not self.url:
            return (self.folder / digest).is_file()
        filesystem, root = self._remote()
        return filesystem.exists(f"{root}/{digest}")

    def wrong(self, digest: str) -> str:
        """What is wrong with the bytes that should have a hash; "" when they have it."""
        try:
            path = self.fetch(digest)
        except NotFound:
            return "the original file is missing"
        return "" if sha256(path) == digest else "the original file changed"

    def check_space(self, size: int) -> None:
        """Refuse before a disk fills up: three times the upload and 200 MB must be free."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.data_dir).free < 3 * size + SPARE:
            raise Refused(
                "E-DISK-FULL",
                "there is not enough free space on the disk to store this recording.",
                what_to_do="Ask the administrator to make room; nothing was stored.",
            )

    def sweep(self) -> int:
        """Delete half-written files whose writer is gone; returns how many."""
        swept = 0
        for part in (*self.folder.glob("*.part"), *(self.data_dir / "spool").glob("*/*.part")):
            owner = part.name.split(".")[-3] if part.name.count(".") >= 3 else ""
            if not (owner.isdigit() and alive(int(owner))):
                part.unlink(missing_ok=True)
                swept += 1
        return swept

    def _remote(self):
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(self.url)
        return filesystem, root.rstrip("/")

    def _keep_remote(self, source: Path, digest: str) -> None:
        filesystem, root = self._remote()
        target = f"{root}/{digest}"
        if filesystem.exists(target):
            return
        filesystem.makedirs(root, exist_ok=True)
        part = f"{target}.{secrets.token_hex(4)}.part"
        filesystem.put_file(str(source), part)
        filesystem.mv(part, target)

    def _fetch_remote(self, digest: str, path: Path) -> None:
        filesystem, root = self._remote()
        if not filesystem.exists(f"{root}/{digest}"):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{digest}.{os.getpid()}.{secrets.token_hex(4)}.part")
        filesystem.get_file(f"{root}/{digest}", str(part))
        part.replace(path)


def alive(pid: int) -> bool:
    """Whether a process of this machine still runs."""
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True
