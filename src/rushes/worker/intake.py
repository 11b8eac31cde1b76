"""Intake: an image that was given by URL is fetched and checked right after its request was accepted, on a lease of
its own, so that a bad image fails its request in seconds and not when a worker has become free.

A few threads wait for the bell, in `serve` or in a worker. They hold strangers' URLs and strangers' bytes, so the
fetching and the checking are passed in: a guarded fetcher, and a checker that decodes in another process. Links to our
own files never leave the house.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import structlog

from rushes.core.audit import Stage
from rushes.core.errors import (
    FetchError,
    FetchHiccup,
    InputError,
    LeaseLost,
    LedgerUnavailable,
    SetupError,
)
from rushes.core.request import IntakeLease
from rushes.ledger.queue import Ledger
from rushes.media.inputs import CheckedImage
from rushes.policies.base import Case
from rushes.policies.panel import Panel
from rushes.store.base import Store
from rushes.worker.pause import Pause

log = structlog.get_logger(__name__)


class Intake:
    """`threads` threads that take images in from `start` to `stop`.

    `fetch(url)` downloads through the guard; `own_key(url)` gives the store's key of a link that we signed ourselves,
    else None, and raises `FetchError` for one whose signature is wrong or has run out; `check(data, card)` holds the
    bytes against the card's rules and writes them anew; the `panel` judges what came out. All of them may be called
    from several threads at once. `lease_seconds` is what one image may take before another intake takes it over.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        *,
        name: str,
        fetch: Callable[[str], bytes],
        own_key: Callable[[str], str | None],
        check: Callable[[bytes, str], CheckedImage],
        panel: Panel | None = None,
        threads: int = 2,
        lease_seconds: float = 30.0,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._name = name
        self._fetch = fetch
        self._own_key = own_key
        self._check = check
        self._panel = panel
        self._lease_seconds = lease_seconds
        self._stopping = threading.Event()
        self._waiters = [ledger.waiter() for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._run, args=[number], name=f"intake-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take in no more; returns when the images under way are through."""
        self._stopping.set()
        for waiter in self._waiters:
            waiter.wake()
        for thread in self._threads:
            thread.join()
        for waiter in self._waiters:
            waiter.close()

    def _run(self, number: int) -> None:
        name, waiter = f"{self._name}/{number}", self._waiters[number]
        pause = Pause()
        while not self._stopping.is_set():
            try:
                claim = self._ledger.claim_intake(name, self._lease_seconds)
                if claim.lease is None:
                    waiter.wait(claim.look_again_in)
                    continue
                with structlog.contextvars.bound_contextvars(
                    request=claim.lease.request_id, fence=claim.lease.fence
                ):
                    self._take_in(claim.lease)
                pause.over()
            except (LedgerUnavailable, SetupError) as error:
                seconds = pause.next()
                log.error("intake in trouble", error=str(error), advice=error.advice, again_in=seconds)
                self._stopping.wait(seconds)

    def _take_in(self, lease: IntakeLease) -> None:
        """Raises `LedgerUnavailable`, and `SetupError` when the store does not take the image."""
        try:
            image = self._check(self._bytes(lease.image_url), lease.card)
            tags = self._judge(lease, image)
            key = f"inputs/{lease.request_id}.{image.extension}"
            self._store.put(key, image.data)
            end: Callable[[], object] = partial(self._ledger.finish_intake, lease, key, tags)
            log.info("image taken in", width=image.width, height=image.height)
        except FetchHiccup as error:
            log.info("image not fetched yet", tries=lease.tries, error=str(error))
            end = partial(self._ledger.retry_intake, lease, error)
        except InputError as error:
            log.info("image refused", error=str(error))
            end = partial(self._ledger.fail_intake, lease, error)
        except SetupError as error:
            self._write(partial(self._ledger.retry_intake, lease, error))
            raise
        self._write(end)

    def _judge(self, lease: IntakeLease, image: CheckedImage) -> tuple[str, ...]:
        if self._panel is None:
            return ()
        case = Case(
            stage=Stage.IMAGE,
            request_id=lease.request_id,
            owner=lease.owner,
            model=lease.model,
            shot=lease.shot,
            picture=image.data,
        )
        return self._panel.judge(case)

    def _bytes(self, url: str) -> bytes:
        key = self._own_key(url)
        if key is None:
            return self._fetch(url)
        try:
            return self._store.get(key)
        except KeyError:
            raise FetchError("there is no uploaded image behind the link, or it was removed") from None

    def _write(self, end: Callable[[], object]) -> None:
        try:
            end()
        except LeaseLost:
            log.warning("intake lease lost")
