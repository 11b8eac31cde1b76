"""From the files that a studio made to files in the store: shown to the policies, signed and uploaded.

All of it happens in the worker itself. A policy may look for as long as it is allowed to, because the heart beats in a
thread of its own; and the key that signs never comes near the studio, where engines' and models' code runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from rushes.core.audit import Stage
from rushes.core.errors import Cancelled, LedgerUnavailable, SetupError
from rushes.core.request import Lease, Outcome, Phase
from rushes.media.credentials import Sealer
from rushes.media.provenance import file_sha256
from rushes.policies.base import Case
from rushes.policies.panel import Panel
from rushes.store.base import Store
from rushes.worker.handle import Tell

SUFFIXES = {"video": ".mp4", "thumbnail": ".jpg", "preview": ".preview.mp4"}


class Stored(NamedTuple):
    """One file of a result: what the log says of it."""

    key: str
    sha256: str
    size: int


class Published(NamedTuple):
    """`outcome` names keys of the store; `tags` are what the policies said of the result."""

    outcome: Outcome
    tags: tuple[str, ...]
    files: tuple[Stored, ...]


class Publisher:
    """Without a `panel` nothing is judged, without a `sealer` nothing signed."""

    def __init__(self, store: Store, panel: Panel | None = None, sealer: Sealer | None = None) -> None:
        self._store = store
        self._panel = panel
        self._sealer = sealer

    def publish(
        self, lease: Lease, made: Outcome, folder: Path, tell: Tell, stopped: Callable[[], bool]
    ) -> Published:
        """`made` names files of `folder`. Raises `Refused`, `Cancelled` once `stopped`, `BadOutput`, `SetupError` and
        the store's `OSError`."""
        tell(Phase.UPLOAD, 0.0, "")
        tags = self._judge(lease, made, folder)
        made = self._seal(made, folder)
        outcome, files = self._upload(lease, made, folder, tell, stopped)
        return Published(outcome, tags, files)

    def _judge(self, lease: Lease, made: Outcome, folder: Path) -> tuple[str, ...]:
        if self._panel is None or self._panel.empty:
            return ()
        case = Case(
            stage=Stage.RESULT,
            request_id=lease.request_id,
            owner=lease.owner,
            model=lease.model,
            shot=lease.shot,
            picture=(folder / made.thumbnail).read_bytes(),
            outcome=made,
        )
        try:
            return self._panel.judge(case)
        except (
            LedgerUnavailable
        ) as error:  # what is not written down is not decided: another attempt asks again
            raise SetupError(f"the audit cannot be written: {error}") from error

    def _seal(self, made: Outcome, folder: Path) -> Outcome:
        """`made` after signing. A video with an upstream's credentials keeps those."""
        if self._sealer is None:
            return made
        self._sealer.sign(folder / made.thumbnail, source=made.source)
        if made.credentials:
            return made
        video = folder / made.video
        self._sealer.sign(video, source=made.source)
        return msgspec.structs.replace(
            made, credentials="rushes", size=video.stat().st_size, sha256=file_sha256(video)
        )

    def _upload(
        self, lease: Lease, made: Outcome, folder: Path, tell: Tell, stopped: Callable[[], bool]
    ) -> tuple[Outcome, tuple[Stored, ...]]:
        """`made` with keys in place of the names of files."""
        files: dict[str, Stored] = {}
        for number, (field, suffix) in enumerate(SUFFIXES.items()):
            if stopped():
                raise Cancelled
            tell(Phase.UPLOAD, number / len(SUFFIXES), "")
            name = getattr(made, field)
            if name is not None:
                path, key = folder / name, f"{lease.request_id}/{lease.fence}{suffix}"
                digest = made.sha256 if field == "video" else file_sha256(path)
                files[field] = Stored(key, digest, path.stat().st_size)
                self._store.put(key, path)
        keys = {field: stored.key for field, stored in files.items()}
        return msgspec.structs.replace(made, **keys), tuple(files.values())
