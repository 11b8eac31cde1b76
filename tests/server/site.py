"""The HTTP face inside the test's own process, over a real ledger, store and catalogue. The test plays the worker, so
that every state of a request can be looked at for as long as it likes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from rushes.core.errors import RushesError
from rushes.core.request import Lease, Outcome, Phase
from rushes.settings import Settings
from rushes.wiring.house import House, open_house
from rushes.wiring.serve import make_hub, web_app

URL = "http://testserver"
GMI = "/api/v1/ie/requestqueue/apikey"
FIXED_KEY = "a-fixed-key"
VIDEO = bytes(range(256)) * 40


class Account:
    """One owner with a key of his own; `get`, `post` … send it along."""

    def __init__(self, site: Site, owner: str, key: str) -> None:
        self.owner = owner
        self.key = key
        self._client = site.client

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return self._client.request(method, path, headers=headers, **more)

    def get(self, path: str, **query: str) -> httpx2.Response:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, body, headers=named)

    def ask(self, payload: dict[str, Any], model: str = "kling-v2-6", **headers: str) -> httpx2.Response:
        return self.post(f"{GMI}/requests", {"model": model, "payload": payload}, **headers)

    def submitted(self, payload: dict[str, Any] | None = None, model: str = "kling-v2-6") -> str:
        """The id of a request that was accepted."""
        answer = self.ask(payload or {"prompt": "a boat"}, model)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["request_id"])

    def record(self, request_id: str) -> dict[str, Any]:
        answer = self.get(f"{GMI}/requests/{request_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


class Site:
    def __init__(self, house: House) -> None:
        self.house = house
        house.service.outlook.max_age = 0.0  # what the test does as a worker is seen at once
        self.hub = make_hub(house)
        self.app = web_app(house, self.hub)
        self.client = TestClient(self.app, base_url=URL, follow_redirects=False)

    def account(self, owner: str) -> Account:
        return Account(self, owner, str(self.house.ledger.create_key(owner)))

    def start(self, request_id: str) -> Lease:
        """Take up the request that waits; there must be no other before it."""
        lease = self.house.ledger.claim("test", [card.id for card in self.house.catalogue]).lease
        assert lease is not None
        assert lease.request_id == request_id
        return lease

    def take_in(self, request_id: str) -> None:
        """Play the intake: the image behind the URL is good."""
        lease = self.house.ledger.claim_intake("test").lease
        assert lease is not None
        assert lease.request_id == request_id
        key = f"inputs/{request_id}.png"
        self.house.store.put(key, picture())
        self.house.ledger.finish_intake(lease, key)

    def beat(self, lease: Lease, progress: float, live_preview: str | None = None) -> None:
        self.house.ledger.beat(lease, Phase.RENDER, progress, live_preview=live_preview)

    def finish(self, lease: Lease, video: bytes = VIDEO) -> None:
        keys = {}
        for field, suffix, data in (
            ("video", ".mp4", video),
            ("thumbnail", ".jpg", picture("JPEG")),
            ("preview", ".preview.mp4", video[:100]),
        ):
            keys[field] = f"{lease.request_id}/{lease.fence}{suffix}"
            self.house.store.put(keys[field], data)
        outcome = Outcome(
            **keys,
            width=1920,
            height=1080,
            fps=24.0,
            frames=120,
            seconds=float(lease.shot.seconds),
            size=len(video),
            sound=lease.shot.sound,
            seed=lease.shot.seed,
            engine="by hand",
            report={"understood": ["boat"], "ignored": ["dragon"]},
        )
        self.house.ledger.finish(lease, outcome)

    def fail(self, lease: Lease, error: RushesError) -> None:
        self.house.ledger.fail(lease, error)


@contextmanager
def open_site(data: Path, **settings: object) -> Iterator[Site]:
    flags = {"data": str(data), "port": 0, "api_key": FIXED_KEY, **settings}
    with open_house(Settings.load(flags=flags, environ={}), URL) as house:
        site = Site(house)
        yield site
        site.hub.close()


def picture(form: str = "PNG", width: int = 320, height: int = 310, noise: bool = False) -> bytes:
    """A picture as a file; one of noise cannot be compressed."""
    shape = (height, width, 3)
    pixels = np.random.default_rng(1).integers(0, 256, shape) if noise else np.full(shape, 90)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, form)
    return file.getvalue()
