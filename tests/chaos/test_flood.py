"""Hostile images and addresses by the hundred against a running server: each is refused or ends as a failure with a
reason, nothing breaks, and the memory of the whole family stays where it was.

`RUSHES_TEST_FLOOD_IMAGES` is the number of images; three quarters as many addresses come beside them.
"""

from __future__ import annotations

import base64
import io
import os
import random
import threading
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from tests.e2e.served import GMI, Server, eventually, serve

SEED = 5
IMAGES = int(os.environ.get("RUSHES_TEST_FLOOD_IMAGES", "60"))
ADDRESSES = IMAGES * 3 // 4
CLIENTS = 8
MOST_GROWTH = 300 * 2**20
"""Bytes that the server, its workers and their children may take more than before, at any moment."""

HOSTS = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1]", "[fd00::1]", "169.254.169.254", "10.0.0.1", "192.168.0.1",
    "172.16.0.1", "100.64.0.1", "localhost", "LOCALHOST", "localhost.", "user:secret@127.0.0.1", "127.0.0.1:22",
)  # fmt: skip
PATHS = ("/", "/a.png", "/latest/meta-data/", "/%2e%2e/a.png", "/a.png?x=http://8.8.8.8", "/" + "a" * 1500)


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def bomb(side: int, rows: int) -> bytes:
    """A PNG of `side` × `side` black pixels of which only `rows` are there, a few kilobytes long."""
    head = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(bytes((1 + 3 * side) * rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def picture(kind: str, draw: random.Random) -> bytes:
    noise = np.random.default_rng(draw.randrange(2**32)).integers(0, 256, (320, 400, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def hostile_image(draw: random.Random, wholes: list[bytes]) -> bytes:
    match draw.randrange(5):
        case 0:
            return bomb(draw.choice([6000, 12_000, 30_000, 65_500]), draw.choice([1, 300]))
        case 1:
            whole = draw.choice(wholes)
            return whole[: draw.randrange(len(whole))]
        case 2:
            damaged = bytearray(draw.choice(wholes))
            for _ in range(draw.randrange(1, 400)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            return bytes(damaged)
        case 3:
            return draw.randbytes(draw.randrange(1, 20_000))
        case _:
            whole = draw.choice(wholes)
            return whole[: len(whole) // 2] + whole


class Scales:
    """Weighs the family again and again while its block runs; `most` is the greatest growth in bytes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = self._weigh()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.most = 0

    def _weigh(self) -> int:
        total = 0
        for process in self._server.family():
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    def _run(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, self._weigh() - self._before)

    def __enter__(self) -> Scales:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_hostile_images_and_addresses_at_scale(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    wholes = [picture(kind, draw) for kind in ("PNG", "JPEG", "JPEG")]
    images = [base64.b64encode(hostile_image(draw, wholes)).decode() for _ in range(IMAGES)]
    schemes = ("http", "https")
    addresses = [
        f"{draw.choice(schemes)}://{draw.choice(HOSTS)}{draw.choice(PATHS)}" for _ in range(ADDRESSES)
    ]
    answered: Counter[int] = Counter()

    with serve(tmp_path / "data", workers=0, intake=2) as server:

        def ask(image: str) -> str | None:
            payload: dict[str, Any] = {"prompt": "it moves", "image": image, "duration": "5"}
            answer = server.call("POST", f"{GMI}/requests", {"model": "kling-v2-6", "payload": payload})
            answered[answer.status_code] += 1
            assert answer.status_code in (200, 400), answer.text
            return str(answer.json()["request_id"]) if answer.status_code == 200 else None

        whole = base64.b64encode(wholes[0]).decode()
        assert ask(whole)  # the checker has started, and good images still pass
        server.workers()
        with Scales(server) as scales, ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(ask, images))
            asked = [request_id for request_id in clients.map(ask, addresses) if request_id]
            for request_id in asked:
                eventually(lambda: server.record(request_id)["status"] == "failed", "refusal", 60)  # noqa: B023
            assert ask(whole)
    print(
        f"\nseed {SEED}: {dict(answered)}, {len(asked)} fetched; memory grew by {scales.most / 2**20:.0f} MiB"
    )
    assert answered[400] > IMAGES / 2
    assert len(asked) > ADDRESSES / 2
    assert scales.most <= MOST_GROWTH
