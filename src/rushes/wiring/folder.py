"""The data folder: all state of one installation, and the lock that keeps a second server off it."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from rushes.core.errors import SetupError


class DataFolder:
    """Makes `root` when missing. Raises `SetupError` when it cannot be written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.files, self.work, self.logs, self.cards):
                folder.mkdir(exist_ok=True)
            probe = root / f".probe-{os.getpid()}"
            probe.write_bytes(b"ok")
            probe.unlink()
        except OSError as error:
            raise SetupError(
                f"the data folder {root} cannot be written: {error.strerror}",
                advice="Mend its permissions, free space, or choose another one with --data.",
            ) from error

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def cards(self) -> Path:
        return self.root / "cards"

    @property
    def key_file(self) -> Path:
        """The first key of a loopback server, so that each start can print it and the command line can read it."""
        return self.root / "key"

    def secret(self) -> bytes:
        """What signs links; made on first use, and the same for every process on this folder."""
        path = self.root / "secret"
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        try:
            text = path.read_text("ascii").strip()
            return bytes.fromhex(text)
        except (OSError, ValueError) as error:
            raise SetupError(
                f"the signing secret {path} cannot be read",
                advice="Restore it from a backup, or remove it: a new one is made, and links given out so far end.",
            ) from error

    def lock(self) -> IO[bytes]:
        """Held as long as the file is open. Raises `SetupError` when another server has it."""
        file = (self.root / "lock").open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(32).decode("ascii", "replace").strip()
            file.close()
            raise SetupError(
                f"another 'rushes serve' (process {owner or 'unknown'}) runs on the data folder {self.root}",
                advice="Stop it first, or choose another folder with --data.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        return file


def write_private(path: Path, text: str) -> None:
    """`text` in a file that only its owner reads; whole or not at all."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
