"""`rushes serve`: the HTTP server, intake and sweep as threads, and the workers as child processes.

At the first SIGTERM or Ctrl-C the workers drain while polls are still answered; then the server closes. A second
signal makes the workers give their work back at once. SIGHUP reads the cards anew, here and in the workers.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import NamedTuple

import structlog
import uvicorn
from starlette.types import ASGIApp

from rushes import logs
from rushes.core.clock import SYSTEM_CLOCK
from rushes.core.errors import SetupError
from rushes.core.tracing import SILENCE, Tracer
from rushes.dialects.aimlapi import Aimlapi
from rushes.dialects.gmi import Gmi
from rushes.media.addresses import AllowList
from rushes.media.fetch import Fetcher
from rushes.server.app import Limits, make_app
from rushes.server.arrival import BoundedArrival
from rushes.server.edge import Door
from rushes.server.hub import Hub
from rushes.settings import Settings, public_address
from rushes.wiring.catalogue import reload_catalogue
from rushes.wiring.crew import Crew
from rushes.wiring.folder import DataFolder
from rushes.wiring.hangup import Hangup
from rushes.wiring.house import DAY, House, first_key, keys_were_chosen, open_house
from rushes.wiring.telemetry import open_tracer
from rushes.wiring.watching import make_operations
from rushes.worker.intake import Intake
from rushes.worker.sweep import Sweeper

log = structlog.get_logger(__name__)

DIALECTS = (Gmi(), Aimlapi())
LINGER_SECONDS = 5
"""How long open connections may go on once the server closes."""


class Ready(NamedTuple):
    """What a start has to tell: where it listens, and its first key unless the operator has chosen keys himself."""

    url: str
    key: str | None


class Server(uvicorn.Server):
    """uvicorn, with the house's way to end: stop signals go to `on_signal`, SIGHUP to `on_hangup`, and `close` stops
    it."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        on_signal: Callable[[], None],
        on_hangup: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_signal = on_signal
        self._on_hangup = on_hangup

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup)
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_signal()

    def close(self) -> None:
        self.should_exit = True


def run_server(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    """Serve until stopped. Raises `SetupError` before anything has begun."""
    logs.configure(settings.log_level, settings.log_format)
    with ExitStack() as stack:
        stack.enter_context(DataFolder(settings.data).lock())
        listener = stack.enter_context(bind(settings))
        url = public_url(settings, listener.getsockname()[1])
        house = stack.enter_context(open_house(settings, url))
        settings.require_chosen_key(keys_were_chosen(house))
        ready = Ready(url, first_key(house))
        tracer = stack.enter_context(open_tracer(settings, "server"))
        crew = Crew(settings, settings.workers)
        hub = make_hub(house)
        leaving = threading.Event()

        def leave() -> None:
            leaving.set()
            threading.Thread(target=crew.drain, name="drain").start()

        def reload() -> None:
            if reload_catalogue(settings, house.catalogue):
                crew.reload()

        server = Server(
            _config(settings, web_app(house, hub, leaving.is_set, tracer)),
            on_ready=lambda: on_ready(ready),
            on_signal=leave,
            on_hangup=Hangup(lambda: threading.Thread(target=reload, name="reload").start(), leave),
        )
        intake = make_intake(settings, house, threads=settings.intake)
        sweeper = Sweeper(
            house.ledger,
            house.store,
            work=house.folder.work,
            audit_age=None if settings.audit_days is None else settings.audit_days * DAY,
        )
        for part in (intake, sweeper):
            part.start()
            stack.callback(part.stop)
        crew.start()
        stack.callback(crew.wait)
        stack.callback(crew.drain)

        def close_after_drain() -> None:
            crew.wait()
            hub.close()
            server.close()

        threading.Thread(target=close_after_drain, name="closer", daemon=True).start()
        gc.freeze()  # what stands by now stays: no collection need look through it again
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.serve([listener]))


def bind(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say. Raises `SetupError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise SetupError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}",
            advice="Stop what listens there, or choose another --port or --host.",
        ) from error
    return listener


def public_url(settings: Settings, port: int) -> str:
    """What links begin with: as set, or the address with the port that was really taken."""
    if "public_url" in settings.model_fields_set:
        return settings.public_url
    return public_address({"host": settings.host, "port": port, "tls_cert": settings.tls_cert})


CHECKING_SECONDS = 10.0
"""What an image may need on top of its fetching before another intake may take it over."""


def make_intake(settings: Settings, house: House, threads: int) -> Intake:
    allowed = AllowList.parse(settings.fetch_allow)

    def fetch(url: str) -> bytes:
        """As large as any model takes now: a reload may have changed it."""
        limit = house.files.upload_limit
        return Fetcher(allowed, max_bytes=limit, deadline=settings.fetch_seconds).fetch(url)

    return Intake(
        house.ledger,
        house.store,
        name=f"{socket.gethostname()}/intake",
        fetch=fetch,
        own_key=house.files.own_key,
        check=house.images.check_for,
        panel=house.panel,
        threads=threads,
        lease_seconds=settings.fetch_seconds
        + CHECKING_SECONDS
        + settings.policy_seconds * len(settings.policies),
    )


def make_hub(house: House) -> Hub:
    return Hub(house.ledger.waiter, house.ledger.revisions)


def web_app(
    house: House, hub: Hub, leaving: Callable[[], bool] = lambda: False, tracer: Tracer = SILENCE
) -> ASGIApp:
    """The HTTP face of the house; it is not ready once it is `leaving`."""
    settings = house.settings
    return make_app(
        house.service,
        DIALECTS,
        hub,
        clock=SYSTEM_CLOCK,
        limits=Limits(max_body_bytes=settings.max_body_bytes, max_streams=settings.max_streams),
        operations=make_operations(house, DIALECTS, leaving),
        door=Door(settings.allowed_hosts, settings.cors_origins),
        tracer=tracer,
    )


def _config(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=partial(BoundedArrival, seconds=settings.arrive_seconds),  # type: ignore[arg-type]  # it is called, no more
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=LINGER_SECONDS,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        raise SetupError(
            f"tls_cert {settings.tls_cert} and tls_key {settings.tls_key} cannot be used: {error}",
            advice="Both must be PEM files, and the key must belong to the certificate.",
        ) from error
    return config
