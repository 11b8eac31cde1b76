"""The verbs of a client, answered by a house in this process: `rushes generate` without a server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rushes.client.files import data_uri, whole_file
from rushes.core.request import Request
from rushes.dialects.base import RequestView
from rushes.service import Ask, Caller
from rushes.wiring.house import DEFAULT_OWNER, House

LOOK_AGAIN = 0.2
"""Seconds between two looks at the ledger; the worker tells its progress no more often than it beats."""


class LocalClient:
    """Submits, watches, cancels and fetches like `client.Client`; the links in its views are keys of the store."""

    def __init__(
        self, house: House, pause: Callable[[float], None] = time.sleep, *, admin: bool = False
    ) -> None:
        self._house = house
        self._pause = pause
        self._caller = Caller(DEFAULT_OWNER, admin)

    def submit(self, model: str, prompt: str, **fields: Any) -> RequestView:
        if isinstance(fields.get("image"), Path):
            fields["image"] = data_uri(fields["image"])
        payload = {"prompt": prompt, **fields}
        ask = Ask(dialect="gmi", model=model, fields=payload, payload=payload)
        return self._view(self._house.service.submit(self._caller, ask))

    def watch(self, request_id: str) -> Iterator[RequestView]:
        seen = None
        while True:
            view = self._view(self._house.service.get(self._caller, request_id))
            if view != seen:
                yield view
                seen = view
            if view.status.terminal:
                return
            self._pause(LOOK_AGAIN)

    def retry(self, request_id: str) -> RequestView:
        return self._view(self._house.service.retry(self._caller, request_id))

    def cancel(self, request_id: str) -> RequestView:
        return self._view(self._house.service.cancel(self._caller, request_id))

    def download(self, view: RequestView, path: Path) -> Path:
        assert view.outcome is not None
        kept = self._house.service.files.open(view.outcome.video_url).path
        with whole_file(path) as file, kept.open("rb") as video:
            shutil.copyfileobj(video, file)
        return path

    def _view(self, request: Request) -> RequestView:
        return RequestView.of(request, lambda key: key)
