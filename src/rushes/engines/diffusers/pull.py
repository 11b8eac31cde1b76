"""`rushes pull`: a recipe's weights from the hub, whole and as published.

The first pull resolves the recipe's revision to a commit and writes it into `pulled.json` beside the weights, with the
size and checksum of every file; from then on this folder is that commit, until somebody asks for an update. A file
arrives as `.part`, goes on where it was broken off, however long ago, and gets its name only when its checksum is
right. Only what diffusers loads is fetched: no pickles, no code, no pictures.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import stamina

from rushes.core.errors import SetupError
from rushes.engines.diffusers.recipe import Recipe, read_recipe

HUB = "https://huggingface.co"
RECORD = "pulled.json"
WANTED = ("model_index.json", "LICENSE*", "*/*.json", "*/*.safetensors", "*/*.model", "*/*.txt", "*/*.jinja")
ATTEMPTS = 6
"""Tries of one file; those that bring something are not counted."""
SPARE = 2**30
"""Bytes that must stay free on the disk."""
CHUNK = 4 * 2**20

Tell = Callable[[str, int, int], None]
"""Hears (file, bytes of the whole pull that are there, bytes of the whole pull)."""


class RemoteFile(msgspec.Struct, frozen=True):
    """One file of a repository: `sha256` of its bytes, or `blob`, git's checksum, for small ones. `repo` and `commit`
    say where it comes from, `path` where it lies there, `local` where in our folder."""

    repo: str
    commit: str
    path: str
    local: str
    size: int
    sha256: str = ""
    blob: str = ""


class Pulled(msgspec.Struct, frozen=True):
    """The record: what the folder holds."""

    repo: str
    commit: str
    licence: str
    files: tuple[RemoteFile, ...]


class Hub:
    """The hub's two calls that we need. `endpoint` and `token` are those of its own tools' environment."""

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self._endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
        secret = token or os.environ.get("HF_TOKEN") or _saved_token()
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        self._client = httpx2.Client(
            headers=headers, follow_redirects=True, timeout=httpx2.Timeout(30.0, connect=10.0)
        )

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def files(self, repo: str, revision: str) -> tuple[str, list[RemoteFile]]:
        """The commit that `revision` is now, and its files. Raises `SetupError`."""
        url = f"{self._endpoint}/api/models/{repo}/revision/{revision}?blobs=true"
        try:
            for attempt in stamina.retry_context(on=httpx2.TransportError, attempts=3):
                with attempt:
                    answer = self._client.get(url)
        except httpx2.HTTPError as error:
            raise SetupError(
                f"the hub {self._endpoint} cannot be reached: {error}",
                advice="Check the network; a mirror is named by HF_ENDPOINT.",
            ) from error
        _check(answer, repo)
        table = answer.json()
        commit = str(table["sha"])
        return commit, [_file(repo, commit, row) for row in table["siblings"]]

    def bytes_of(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """The file's bytes from `start` on. Raises `httpx2.TransportError` when the line breaks, else `SetupError`."""
        url = f"{self._endpoint}/{file.repo}/resolve/{file.commit}/{file.path}"
        headers = (
            {"range": f"bytes={start}-", "accept-encoding": "identity"}
            if start
            else {"accept-encoding": "identity"}
        )
        with self._client.stream("GET", url, headers=headers) as answer:
            _check(answer, file.repo)
            skip = 0 if answer.status_code == 206 else start  # a server without ranges begins anew
            for piece in answer.iter_raw():
                if skip >= len(piece):
                    skip -= len(piece)
                    continue
                yield piece[skip:]
                skip = 0


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
    part.touch()  # an empty file is a file, too
    for _ in range(2):  # bytes that went wrong are fetched once more
        _download(hub, part, file, lambda: tell(file.local, there + _size(part), total))
        if _is_right(part, file):
            part.replace(folder / file.local)
            return
        part.unlink(missing_ok=True)
    raise SetupError(
        f"{file.path} of {file.repo} arrived twice with other bytes than were published",
        advice="Something between here and the hub changes them: try another network, or a mirror by HF_ENDPOINT.",
    )


def _download(hub: Hub, part: Path, file: RemoteFile, tell: Callable[[], None]) -> None:
    failures = 0
    while (start := _size(part)) < file.size:
        try:
            with part.open("ab") as stream:
                for piece in hub.bytes_of(file, start):
                    stream.write(piece)
                    stream.flush()
                    tell()
            if _size(part) >= file.size:
                break
            broken: Exception = EOFError("the line closed early")
        except httpx2.TransportError as error:
            broken = error
        failures = 0 if _size(part) > start else failures + 1
        if failures == ATTEMPTS:
            raise SetupError(
                f"{file.path} of {file.repo} broke off {ATTEMPTS} times: {broken}",
                advice="Run the same command again: it goes on from where it is.",
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


def _file(repo: str, commit: str, row: dict[str, Any]) -> RemoteFile:
    path = str(row["rfilename"])
    if path.startswith("/") or ".." in Path(path).parts:
        raise SetupError(f"{repo} names a file '{path}' outside its folder: it is not fetched")
    large = row.get("lfs") or {}
    return RemoteFile(
        repo,
        commit,
        path,
        path,
        int(row.get("size") or 0),
        str(large.get("sha256", "")),
        str(row.get("blobId", "")),
    )


def _check(answer: Any, repo: str) -> None:
    if answer.status_code in (401, 403):
        raise SetupError(
            f"the hub refuses {repo} ({answer.status_code})",
            advice="Accept its terms on its page, then set HF_TOKEN to a token of your account.",
        )
    if answer.status_code >= 400:
        raise SetupError(
            f"the hub answers {answer.status_code} for {answer.url}",
            advice=f"Check the recipe's repo, {repo}, and its revision; a mirror named by HF_ENDPOINT must have both.",
        )


def _saved_token() -> str | None:
    """Where the hub's own tools keep it."""
    home = os.environ.get("HF_HOME")
    path = (Path(home) if home else Path.home() / ".cache" / "huggingface") / "token"
    try:
        return path.read_text("utf-8").strip() or None
    except OSError:
        return None
