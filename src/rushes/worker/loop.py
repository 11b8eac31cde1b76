"""The worker: takes one request after the other from the ledger and turns each into files in the store.

It is written to be killed. The ledger knows every attempt and counts its lease down; the job's files lie in a folder
that anybody may sweep; results carry the fence in their keys. So nothing here cleans up after a crash: the next
worker takes over, and what this one still writes is refused. What the loop owes is to stop: at once when the lease is
lost, within the drain when told to, and not to burn requests while its own disk or the ledger is in trouble.
"""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import msgspec
import structlog

from rushes.core.card import EngineChoice
from rushes.core.clock import SYSTEM_CLOCK, Clock
from rushes.core.errors import (
    AttemptError,
    BadImage,
    Cancelled,
    DiskFull,
    InputError,
    LeaseLost,
    LedgerUnavailable,
    RushesError,
    SetupError,
)
from rushes.core.request import Lease, Outcome
from rushes.core.tracing import SILENCE, Tracer
from rushes.engines.base import Footprint, make_engine
from rushes.ledger.queue import Ledger
from rushes.media.credentials import Sealer
from rushes.policies.panel import Panel
from rushes.store.base import Store
from rushes.worker.handle import StudioHandle
from rushes.worker.heart import Heart
from rushes.worker.messages import Job, Making
from rushes.worker.pause import Pause
from rushes.worker.phases import Phases, traced
from rushes.worker.preparing import Preparations
from rushes.worker.presence import Presence
from rushes.worker.publish import Published, Publisher
from rushes.worker.showing import Showing
from rushes.worker.studios import Studios

log = structlog.get_logger(__name__)

MAKING = Making()


class Worker:
    """One worker process' loop: `run` in one thread, `stop` from any.

    `engines` names the engine of every card it serves; `warm` the cards whose engines are loaded at start. `work` is
    the folder of the jobs' scratch folders, `making` what the operator chose for every file; the `panel` judges results
    and the `sealer` signs them. `beat_seconds` apart it renews its lease; at `stop` it may go on for `drain_seconds`.
    Raises `SetupError` when a card's engine is not installed or refuses its options.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        engines: Mapping[str, EngineChoice],
        studios: Studios,
        *,
        name: str,
        work: Path,
        warm: Sequence[str] = (),
        making: Making = MAKING,
        panel: Panel | None = None,
        sealer: Sealer | None = None,
        beat_seconds: float = 2.0,
        drain_seconds: float = 10.0,
        clock: Clock = SYSTEM_CLOCK,
        tracer: Tracer = SILENCE,
    ) -> None:
        self.name = name
        self._ledger = ledger
        self._store = store
        self._engines, self._footprints = self._offered = _foreseen(engines)
        self._studios = studios
        self._work = work
        self._warm = warm
        self._making = making
        self._publisher = Publisher(store, panel, sealer)
        # Nobody sees what the operator's policies and frame hook have not seen.
        self._shows = (panel is None or panel.empty) and making.frame_hook is None
        self._beat_seconds = beat_seconds
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._tracer = tracer
        self._resident: str | None = None
        self._studio: StudioHandle | None = None
        self._warming: StudioHandle | None = None
        self._ledger_pause = Pause()
        self._disk_pause = Pause()
        self._stopping = threading.Event()
        self._releasing = threading.Event()
        self._waiter = ledger.waiter()

    def run(self) -> None:
        """Work until stopped. All studios have ended when it returns."""
        log.info("worker started", worker=self.name, cards=sorted(self._engines))
        preparations = Preparations(self._engines.values())
        try:
            with Presence(self._ledger, self.name, lambda: list(self._engines)):
                self._warm_up()
                while not self._stopping.is_set():
                    self._next()
        finally:
            preparations.stop()
            self._studios.close()
            self._waiter.close()
            log.info("worker stopped", worker=self.name)

    def stop(self) -> None:
        """Claim no more, and end the running attempt within the drain; a second call gives it back at once."""
        if self._stopping.is_set():
            self._release_now()
            return
        self._stopping.set()
        self._waiter.wake()
        if (warming := self._warming) is not None:
            warming.cancel()
        patience = threading.Timer(self._drain_seconds, self._release_now)
        patience.daemon = True
        patience.start()

    def serve(self, engines: Mapping[str, EngineChoice]) -> None:
        """Serve these cards by these engines from the next claim on; a running attempt goes on as it began. Raises
        `SetupError`, and then nothing has changed."""
        self._offered = _foreseen(engines)
        self._waiter.wake()

    def _release_now(self) -> None:
        self._releasing.set()
        self._studios.kill()

    def _warm_up(self) -> None:
        for card in self._warm:
            footprint = self._footprints[card]
            try:
                self._warming = self._studios.get(self._engines[card], footprint)
                if not self._warming.loaded:
                    self._warming.load(lambda *_: None, footprint.load_seconds, self._stopping.is_set)
            except Cancelled:
                break
            except RushesError as error:
                log.error("warm-up failed", card=card, error=str(error), advice=error.advice)
        self._warming = None

    def _next(self) -> None:
        """One request, or a sleep until there may be one."""
        self._engines, self._footprints = self._offered
        if self._resident not in self._engines:
            self._resident = None
        asked = self._clock.monotonic()
        try:
            claim = self._ledger.claim(self.name, list(self._engines), *self._affinity())
        except LedgerUnavailable as error:
            self._wait_out("the ledger gives no work", error, self._ledger_pause)
            return
        self._ledger_pause.over()
        if claim.lease is None:
            self._waiter.wait(claim.look_again_in)
            return
        with structlog.contextvars.bound_contextvars(request=claim.lease.request_id, fence=claim.lease.fence):
            phases = Phases(self._clock)
            with traced(self._tracer, claim.lease, phases) as span:
                failure = self._attempt(claim.lease, asked, phases)
                if failure is not None:
                    span.fail(failure.name)

    def _affinity(self) -> tuple[str | None, float]:
        """The card to prefer and the seconds that it saves; nothing to prefer while one engine serves all cards."""
        if self._resident is None or len({choice.identity for choice in self._engines.values()}) == 1:
            return None, 0.0
        return self._resident, self._footprints[self._resident].load_seconds

    def _attempt(self, lease: Lease, held_since: float, phases: Phases) -> RushesError | None:
        """What it failed of, if it did."""
        started = self._clock.monotonic()
        log.info("attempt started", model=lease.model, failures=lease.failures)
        heart = Heart(
            self._ledger,
            lease,
            every=self._beat_seconds,
            clock=self._clock,
            held_since=held_since,
            phases=phases,
            on_lost=self._interrupt,
        )
        error: RushesError | None = None
        published: Published | None = None
        end: tuple[str, Callable[[], object]]
        with heart, self._showing(lease, heart):
            try:
                published = self._produce(lease, heart)
                outcome = msgspec.structs.replace(published.outcome, timings=phases.seconds())
                end = "finish", partial(self._ledger.finish, lease, outcome, published.tags)
            except (InputError, AttemptError) as failure:
                error, end = failure, ("fail", partial(self._ledger.fail, lease, failure))
            except SetupError as trouble:  # ours, not the request's: it waits, and another worker may do it
                error, end = trouble, ("retry", partial(self._ledger.fail, lease, trouble, counts=False))
            except Cancelled:
                end = "release", partial(self._ledger.release, lease)
            verb = self._settle(heart, *end)
        seconds = round(self._clock.monotonic() - started, 3)
        log.info("attempt ended", verb=verb, seconds=seconds, error=error and f"{error.name}: {error}")
        for file in published.files if published is not None and verb == "finish" else ():
            log.info("published", file=file.key, sha256=file.sha256, size=file.size)
        if isinstance(error, SetupError):
            self._wait_out("this worker cannot work", error, self._disk_pause)
        elif verb == "finish":
            self._disk_pause.over()
        return error

    def _folder(self, lease: Lease) -> Path:
        """The attempt's own scratch folder."""
        return self._work / f"{lease.request_id}.{lease.fence}"

    def _showing(self, lease: Lease, heart: Heart) -> AbstractContextManager[object]:
        if not self._shows:
            return nullcontext()
        return Showing(self._store, lease, self._folder(lease), every=self._beat_seconds, show=heart.show)

    def _produce(self, lease: Lease, heart: Heart) -> Published:
        """Stage the picture → make the files in a studio → publish them under keys that carry the fence."""
        folder = self._folder(lease)

        def stopped() -> bool:
            return heart.lost.is_set() or self._releasing.is_set()

        try:
            job = self._stage(lease, folder)
            made = self._make(lease, job, heart, stopped)
            return self._publisher.publish(lease, made, folder, heart.tell, stopped)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"no space left in {self._work}") from error
            raise SetupError(f"the disk fails this worker: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # what is left, the sweep removes

    def _stage(self, lease: Lease, folder: Path) -> Job:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        image = None
        if lease.image_key is not None:
            image = f"input{Path(lease.image_key).suffix}"
            try:
                (folder / image).write_bytes(self._store.get(lease.image_key))
            except KeyError:
                raise BadImage(
                    "the input image is no longer stored", advice="Send the request again."
                ) from None
        return Job(name=folder.name, shot=lease.shot, folder=str(folder), image=image, making=self._making)

    def _make(self, lease: Lease, job: Job, heart: Heart, stopped: Callable[[], bool]) -> Outcome:
        footprint = self._footprints[lease.card]
        self._studio = self._studios.get(self._engines[lease.card], footprint)
        try:
            made = self._studio.run(job, heart.tell, footprint.load_seconds, stopped)
        except RushesError:
            self._resident = None
            raise
        finally:
            self._studio = None
        self._resident = lease.card
        return made

    def _settle(self, heart: Heart, verb: str, write: Callable[[], object]) -> str:
        """Write the attempt's end, again and again while the ledger is away, as long as the attempt is ours.

        A refused write leaves the files alone: the ledger may have committed it before the answer was lost."""
        pause = Pause()
        while not heart.lost.is_set():
            try:
                heart.last(write)
                return verb
            except LeaseLost:
                break
            except LedgerUnavailable as error:
                log.warning("the ledger did not take the end", verb=verb, error=str(error))
                heart.lost.wait(pause.next())
        return "lost"

    def _interrupt(self) -> None:
        if (studio := self._studio) is not None:
            studio.cancel()

    def _wait_out(self, what: str, error: RushesError, pause: Pause) -> None:
        seconds = pause.next()
        log.error(what, error=str(error), advice=error.advice, again_in=seconds)
        self._stopping.wait(seconds)


def _foreseen(
    engines: Mapping[str, EngineChoice],
) -> tuple[dict[str, EngineChoice], dict[str, Footprint]]:
    """The engines by card, and what loading each will take."""
    footprints = {
        card: make_engine(choice.name, choice.options).footprint() for card, choice in engines.items()
    }
    return dict(engines), footprints
