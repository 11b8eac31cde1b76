"""A copy of the house while it serves, and a house made from one.

The ledger is copied first, in one snapshot, and then the files that the copy names: results are written before the
ledger names them and never change, so whatever the copy shows is there to be taken. What retention removed between the
two is marked as expired in the copy, as it is in the original by then. A copy stands under its name only when it is
complete.

    ledger.sqlite3   files/   cards/   secret   key   backup.json
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from rushes import __version__
from rushes.core.errors import SetupError
from rushes.ledger.queue import Ledger
from rushes.media.provenance import file_sha256
from rushes.settings import Settings
from rushes.store.objects import FolderStore

LEDGER, FILES, CARDS, MANIFEST = "ledger.sqlite3", "files", "cards", "backup.json"
SECRETS = ("secret", "key")
TAR = ".tar"
UPLOADS = "uploads/"
DAMAGED = "Take another backup: this one is damaged."


class Copied(msgspec.Struct, frozen=True):
    """What a backup holds. `expired` results lost their files to retention while it was made; `missing` are the keys
    of files that the original has lost."""

    version: str
    made_at: float
    requests: int
    files: int
    bytes: int
    expired: int = 0
    missing: tuple[str, ...] = ()


def back_up(settings: Settings, target: Path) -> Copied:
    """Copy the house into the new folder `target`, or into one file if it ends with `.tar`. Raises `SetupError`."""
    if target.exists():
        raise SetupError(
            f"{target} exists already", advice="Name a new folder, or a new file that ends with .tar."
        )
    if not _ledger_file(settings).exists():
        raise SetupError(f"there is no ledger in {settings.data}", advice="Name the data folder with --data.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as draft:
            folder = Path(draft) / "backup"
            folder.mkdir(mode=0o700)
            copied = _copy(settings, folder)
            if target.suffix == TAR:
                packed = Path(draft) / "backup.tar"
                with tarfile.open(packed, "x") as tar:
                    tar.add(folder, arcname="")
                packed.chmod(0o600)
                packed.replace(target)
            else:
                folder.replace(target)
    except OSError as error:
        raise SetupError(
            f"the backup {target} cannot be written: {error.strerror or error}",
            advice="Free space there, or choose another place. Nothing was left behind.",
        ) from error
    return copied


def bring_back(source: Path, settings: Settings) -> Copied:
    """Make the empty or missing data folder of the settings from a backup, and read all of it once: a damaged ledger, a
    missing file or one with other bytes than the ledger says is refused, and nothing is left. Raises `SetupError`."""
    data = settings.data
    if _ledger_file(settings) != data / LEDGER:
        raise SetupError(
            f"the setting ledger names {settings.ledger}, and a backup brings its own {LEDGER}",
            advice="Restore without that setting, then move the ledger where it should be.",
        )
    if data.exists() and any(data.iterdir()):
        raise SetupError(
            f"{data} is not empty", advice="Name a new folder with --data, or move this one away."
        )
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{data.name}-", dir=data.parent) as draft:
            folder = Path(draft) / "data"
            _unpack(source, folder)
            manifest = _manifest(source, folder)
            _verify(folder, manifest)
            folder.chmod(0o700)
            folder.replace(data)
    except OSError as error:
        raise SetupError(
            f"{source} cannot be restored to {data}: {error.strerror or error}",
            advice="Mend the cause and repeat it. Nothing was left behind.",
        ) from error
    return manifest


def _ledger_file(settings: Settings) -> Path:
    with closing(Ledger(settings.ledger)) as ledger:
        return ledger.db.path


def _copy(settings: Settings, folder: Path) -> Copied:
    with closing(Ledger(settings.ledger)) as original:
        original.copy_to(folder / LEDGER)
    with closing(Ledger(f"sqlite:///{folder / LEDGER}")) as ledger:
        ledger.migrate()
        copied = _copy_files(settings.data / FILES, folder / FILES, ledger)
    for name in SECRETS:
        if (settings.data / name).exists():
            shutil.copy2(settings.data / name, folder / name)
    if settings.cards.is_dir():
        shutil.copytree(settings.cards, folder / CARDS)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(copied)) + b"\n")
    return copied


def _copy_files(source: Path, target: Path, ledger: Ledger) -> Copied:
    """The files that the copied ledger names, and uploads that no request has named yet."""
    target.mkdir()
    files = size = expired = 0
    missing: list[str] = []
    for named in ledger.files_named():
        gone = [key for key in named.keys if not _copy_file(source / key, target / key)]
        if gone and named.overdue:
            ledger.expire(named.request_id)
            expired += 1
        else:
            missing += gone
    for key in _uploads(source):
        _copy_file(source / key, target / key)
    for path in _files(target):
        files, size = files + 1, size + path.stat().st_size
    return Copied(
        __version__, time.time(), ledger.list(limit=1).total, files, size, expired, tuple(sorted(missing))
    )


def _copy_file(source: Path, target: Path) -> bool:
    """A second name for the same bytes where the disk allows it: the store never changes a file, it replaces it.
    False when the source is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return True
    try:
        os.link(source, target)
    except FileNotFoundError:
        return False
    except OSError:  # another disk, or one that has no links
        try:
            shutil.copy2(source, target)
        except FileNotFoundError:
            return False
    return True


def _uploads(files: Path) -> Iterator[str]:
    return (f"{UPLOADS}{path.relative_to(files / UPLOADS)}" for path in _files(files / UPLOADS))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _unpack(source: Path, folder: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, folder)  # bytes of its own: the backup stays what it is
        return
    try:
        with tarfile.open(source) as tar:
            tar.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise SetupError(
            f"{source} is no backup: {error}", advice="Name what `rushes backup` has written."
        ) from error


def _manifest(source: Path, folder: Path) -> Copied:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Copied)
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise SetupError(
            f"{source} is no backup: it has no readable {MANIFEST}",
            advice="Name what `rushes backup` has written.",
        ) from error


def _verify(folder: Path, manifest: Copied) -> None:
    with closing(Ledger(f"sqlite:///{folder / LEDGER}")) as ledger:
        ledger.check()
        ledger.migrate()
        FolderStore(folder / FILES).check()
        known = frozenset(manifest.missing)
        for named in ledger.files_named():
            for key in set(named.keys) - known:
                if not (folder / FILES / key).is_file():
                    raise SetupError(f"the backup lacks the file {key}", advice=DAMAGED)
            taken = named.sha256 and named.video not in known
            if taken and file_sha256(folder / FILES / named.video) != named.sha256:
                raise SetupError(
                    f"the backup's file {named.video} has other bytes than its ledger says", advice=DAMAGED
                )
