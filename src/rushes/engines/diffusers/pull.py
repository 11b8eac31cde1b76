"""`rushes pull`: a recipe's weights from the hub, whole and as published.

The first pull resolves the recipe's revision to a commit and writes it into `pulled.json` beside the weights, with the
size and checksum of every file; from then on this folder is that commit, until somebody asks for an update. A file
arrives as `.part`, goes on where it was broken off, however long ago, and gets its name only when its checksum is
right. Only what diffusers loads is fetched: no pickles, no code, no pictures.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import msgspec

from rushes.core.errors import SetupError
from rushes.engines.diffusers.hub import Hub, RemoteFile
from rushes.engines.diffusers.recipe import Recipe, read_recipe

RECORD = "pulled.json"
WANTED = ("model_index.json", "LICENSE*", "*/*.json", "*/*.safetensors", "*/*.model", "*/*.txt", "*/*.jinja")
SPARE = 2**30
"""Bytes that must stay free on the disk."""
CHUNK = 4 * 2**20

Tell = Callable[[str, int, int], None]
"""Hears (file, bytes of the whole pull that are there, bytes of the whole pull)."""


class Pulled(msgspec.Struct, frozen=True):
    """The record: what the folder holds."""

    repo: str
    commit: str
    licence: str
    files: tuple[RemoteFile, ...]


def pull(recipe: Recipe, models: Path, hub: Hub, tell: Tell, *, update: bool = False) -> list[Path]:
    """Fetch what is missing of the recipe's weights, of its LoRAs and of its second checkpoint; the folders. Raises
    `SetupError` for a hub that refuses, a disk that is too small, or bytes that stay wrong."""
    folders = [_pull_one(recipe, models / recipe.name, hub, tell, update)]
    if recipe.image_recipe:
        folders += pull(read_recipe(recipe.image_recipe), models, hub, tell, update=update)
    return folders


def verify(folder: Path, tell: Tell) -> list[RemoteFile]:
    """The files that are missing or not as published, by reading every byte."""
    record = read_record(folder)
    total, there, bad = sum(file.size for file in record.files), 0, []
    for file in record.files:
        if not _is_right(folder / file.local, file):
            bad.append(file)
        there += file.size
        tell(file.local, there, total)
    return bad


def repair(recipe: Recipe, folder: Path, hub: Hub, tell: Tell) -> list[RemoteFile]:
    """Verify, and fetch what is not right again; what was wrong."""
    bad = verify(folder, tell)
    for file in bad:
        (folder / file.local).unlink(missing_ok=True)
    if bad:
        _pull_one(recipe, folder, hub, tell, update=False)
    return bad


def read_record(folder: Path) -> Pulled:
    """Raises `SetupError` when nothing was pulled into the folder."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Pulled)
    except (OSError, msgspec.DecodeError) as error:
        raise SetupError(
            f"{folder} was not filled by `rushes pull`: {error}", advice="Pull the recipe first."
        ) from error


def _pull_one(recipe: Recipe, folder: Path, hub: Hub, tell: Tell, update: bool) -> Path:
    record = read_record(folder) if (folder / RECORD).exists() else None
    if record is None or update:
        newest = _resolve(recipe, hub)
        folder.mkdir(parents=True, exist_ok=True)
        if record is not None:
            _drop_changed(folder, record, newest)
        record = newest
        _write_record(folder, record)
    total = sum(file.size for file in record.files)
    missing = [file for file in record.files if not _is_there(folder / file.local, file)]
    _check_disk(folder, sum(file.size - _size(_part(folder, file)) for file in missing))
    there = total - sum(file.size for file in missing)
    for file in missing:
        _fetch(hub, folder, file, tell, there, total)
        there += file.size
    tell("", total, total)
    return folder


def _drop_changed(folder: Path, old: Pulled, new: Pulled) -> None:
    """What the new commit has otherwise, or not at all, goes: the same size would hide it."""
    kept = {file.local: (file.sha256, file.blob) for file in new.files}
    for file in old.files:
        if kept.get(file.local) != (file.sha256, file.blob):
            (folder / file.local).unlink(missing_ok=True)
            _part(folder, file).unlink(missing_ok=True)


def _resolve(recipe: Recipe, hub: Hub) -> Pulled:
    commit, offered = hub.files(recipe.repo, recipe.revision)
    files = [file for file in offered if any(fnmatch(file.path, pattern) for pattern in WANTED)]
    if not any(file.path == "model_index.json" for file in files):
        raise SetupError(f"{recipe.repo} at {commit} is no diffusers checkpoint: it has no model_index.json")
    for lora in recipe.lora:
        if lora.repo:
            _, others = hub.files(lora.repo, lora.revision)
            found = next((file for file in others if file.path == lora.file), None)
            if found is None:
                raise SetupError(
                    f"{lora.repo} has no file {lora.file}", advice="Correct the recipe's [[lora]]."
                )
            files.append(msgspec.structs.replace(found, local=f"lora/{lora.file}"))
    return Pulled(recipe.repo, commit, recipe.licence.name, tuple(files))


def _fetch(hub: Hub, folder: Path, file: RemoteFile, tell: Tell, there: int, total: int) -> None:
    part = _part(folder, file)
    part.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):  # bytes that went wrong are fetched once more
        part.touch()  # an empty file is a file, too
        hub.fetch(file, part, lambda: tell(file.local, there + _size(part), total))
        if _is_right(part, file):
            part.replace(folder / file.local)
            return
        part.unlink(missing_ok=True)
    raise SetupError(
        f"{file.path} of {file.repo} arrived twice with other bytes than were published",
        advice="Something between here and the hub changes them: try another network, or a mirror by HF_ENDPOINT.",
    )


def _check_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed and needed + SPARE > free:
        raise SetupError(
            f"{folder} has {free / 1e9:.1f} GB free; what is to come takes {needed / 1e9:.1f} GB",
            advice="Make room, or choose another folder with --models.",
        )


def _is_there(path: Path, file: RemoteFile) -> bool:
    """By size: a file gets its name only when its checksum was right."""
    return _size(path) == file.size


def _is_right(path: Path, file: RemoteFile) -> bool:
    if _size(path) != file.size:
        return False
    digest = (
        hashlib.sha256()
        if file.sha256
        else hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    )
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest() == (file.sha256 or file.blob)


def _part(folder: Path, file: RemoteFile) -> Path:
    path = folder / file.local
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1 if path.suffix != ".part" else 0


def _write_record(folder: Path, record: Pulled) -> None:
    draft = folder / f".{RECORD}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
    draft.replace(folder / RECORD)
