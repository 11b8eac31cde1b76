"""A worker as a process: `rushes worker` by hand, or a child of `rushes serve`.

The child (`python -m rushes.wiring.work`) reads its settings as one line of JSON from its standard input, which the
server then keeps open: when it ends, the server is gone, and the worker gives its work back and ends too.
"""

from __future__ import annotations

import os
import socket
import sys

import psutil

from rushes import logs
from rushes.core.card import EngineChoice
from rushes.core.catalogue import Catalogue
from rushes.core.encoding import Encoding
from rushes.core.tracing import SILENCE, Tracer
from rushes.engines.diffusers.machine import devices
from rushes.engines.hook import require_hook
from rushes.ledger.queue import Ledger
from rushes.settings import Settings
from rushes.store.objects import FolderStore
from rushes.wiring.catalogue import load_catalogue, reload_catalogue
from rushes.wiring.folder import DataFolder
from rushes.wiring.hangup import Hangup
from rushes.wiring.house import open_ledger
from rushes.wiring.telemetry import open_tracer
from rushes.wiring.trust import make_panel, make_sealer
from rushes.worker.handle import Patience
from rushes.worker.loop import Worker
from rushes.worker.messages import Making
from rushes.worker.process import run_worker as run_process
from rushes.worker.studios import Studios

MEMORY_SHARE = 0.8
"""Of the machine's memory, what all CPU engines of one worker may declare together."""
GPU_SHARE = 0.95
"""The same of a GPU: the rest is the driver's."""


def make_worker(
    settings: Settings,
    folder: DataFolder,
    ledger: Ledger,
    store: FolderStore,
    catalogue: Catalogue,
    tracer: Tracer = SILENCE,
) -> Worker:
    return Worker(
        ledger,
        store,
        engines_of(catalogue),
        Studios(
            folder.logs,
            memory=device_memory(),
            keep=frozenset(catalogue.find(model).engine.identity for model in settings.keep_loaded),
            patience=Patience(stall=settings.progress_deadline, grace=settings.cancel_grace),
        ),
        name=f"{socket.gethostname()}/{os.getpid()}",
        work=folder.work,
        warm=[catalogue.find(model).id for model in settings.warm],
        making=make_making(settings),
        panel=make_panel(settings, ledger),
        sealer=make_sealer(settings),
        beat_seconds=settings.beat_seconds,
        drain_seconds=settings.drain_seconds,
        tracer=tracer,
    )


def device_memory() -> dict[str, int]:
    """Bytes that the studios of one worker may take together, by device."""
    gpus = {gpu.name: int(gpu.total * GPU_SHARE) for gpu in devices()}
    return {"cpu": int(psutil.virtual_memory().total * MEMORY_SHARE), **gpus}


def engines_of(catalogue: Catalogue) -> dict[str, EngineChoice]:
    return {card.id: card.engine for card in catalogue}


def make_making(settings: Settings) -> Making:
    """How every file is made. Raises `SetupError` for a frame hook that is not installed."""
    if settings.frame_hook is not None:
        require_hook(settings.frame_hook)
    encoding = Encoding(preset=settings.x264_preset, crf=settings.x264_crf, threads=settings.x264_threads)
    return Making(encoding=encoding, frame_hook=settings.frame_hook)


def run_worker(settings: Settings, parent: int | None = None) -> int:
    """Work until stopped; the exit code. `parent` is a descriptor that ends with the parent process."""
    logs.configure(settings.log_level, settings.log_format)
    folder = DataFolder(settings.data)
    catalogue = load_catalogue(settings)
    with open_tracer(settings, "worker") as tracer, open_ledger(settings) as ledger:
        worker = make_worker(settings, folder, ledger, FolderStore(folder.files), catalogue, tracer)

        def reload() -> None:
            if reload_catalogue(settings, catalogue):
                worker.serve(engines_of(catalogue))

        return run_process(worker, parent, Hangup(reload, worker.stop))


def main() -> int:
    with os.fdopen(0, "rb", buffering=0, closefd=False) as stdin:
        settings = Settings.model_validate_json(stdin.readline())
    return run_worker(settings, parent=0)


if __name__ == "__main__":
    sys.exit(main())
