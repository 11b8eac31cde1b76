"""`rushes doctor`: looks at what a server will need on this machine, before it needs it.

Each check is a function of the settings that yields findings; nothing is changed, so it may run beside a server.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from rushes.cli.flags import with_settings
from rushes.cli.screen import AsJson, err, out, print_json
from rushes.core.errors import RushesError
from rushes.settings import Settings

GB = 1e9
CLIP_BYTES = 20e6
"""What one 10 s clip with its thumbnail and preview takes at most, as a rule."""
Level = Literal["info", "ok", "warn", "fail"]
STYLES: dict[Level, str] = {"info": "dim", "ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Finding:
    name: str
    level: Level
    text: str
    advice: str = ""


EngineRecipe = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="RECIPE",
        help="Try this recipe of the diffusers engine instead: load it, render, measure.",
    ),
]
Keep = Annotated[
    Path | None, typer.Option("--keep", metavar="FILE", help="With --engine: leave the first clip here.")
]


CertificateFolder = Annotated[
    Path | None,
    typer.Option(
        "--make-test-certificate",
        metavar="FOLDER",
        help="Make a certificate to try content credentials (C2PA) with, instead of checking. Nobody trusts it.",
    ),
]


@with_settings()
def doctor(
    settings: Settings,
    as_json: AsJson = False,
    engine: EngineRecipe = None,
    keep: Keep = None,
    make_test_certificate: CertificateFolder = None,
) -> None:
    """Check this machine: codecs, disk, cores, memory, settings. Exit status 1 if something will not work."""
    if make_test_certificate is not None:
        _make_certificate(make_test_certificate, as_json)
        return
    if engine is not None:
        _try_engine(settings, engine, keep, as_json)
        return
    findings = []
    for check in CHECKS:
        for finding in check(settings):
            findings.append(finding)
            if not as_json:
                _print(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)


def _make_certificate(folder: Path, as_json: bool) -> None:
    from rushes.media.certificates import make_test_certificate

    made = make_test_certificate(folder.absolute())
    if as_json:
        print_json({"c2pa_cert": str(made.chain), "c2pa_key": str(made.key), "root": str(made.root)})
        return
    typer.echo(f'c2pa_cert = "{made.chain}"\nc2pa_key = "{made.key}"')
    typer.echo(
        f"Add these lines to rushes.toml; a reader that is to believe them must trust {made.root}", err=True
    )


def _try_engine(settings: Settings, recipe: str, keep: Path | None, as_json: bool) -> None:
    from rushes.engines.diffusers import DiffusersEngine
    from rushes.engines.diffusers.selftest import self_test

    made = DiffusersEngine({"recipe": recipe, "models": str(settings.models)})
    findings = []
    with err().status("") as status, warnings.catch_warnings(action="ignore"):  # of libraries
        for found in self_test(made, status.update, keep):
            findings.append(Finding(found.name, found.level, found.text, found.advice))
            if not as_json:
                _print(findings[-1])
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    line = Text(f"{finding.level:4}", style=STYLES[finding.level])
    out().print(line, f" {finding.name:9}", finding.text, sep="", markup=False)
    if finding.advice:
        out().print(" " * 14 + finding.advice, markup=False)


def _settings(settings: Settings) -> Iterator[Finding]:
    given = ", ".join(sorted(settings.model_fields_set)) or "all as they come"
    yield Finding("settings", "ok", given)


def _system(_: Settings) -> Iterator[Finding]:
    known = platform.system() in ("Linux", "Darwin")
    yield Finding(
        "system",
        "ok" if known else "warn",
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        "" if known else "Linux and macOS are supported; on Windows use WSL.",
    )


def _cores(_: Settings) -> Iterator[Finding]:
    from rushes.engines.animatic.ahead import cores

    slow = cores() < 2
    yield Finding(
        "cores",
        "warn" if slow else "ok",
        f"{cores()} usable",
        "The animatic engine draws on all cores; with one it is slow." if slow else "",
    )


def _memory(settings: Settings) -> Iterator[Finding]:
    import psutil

    free = psutil.virtual_memory().available / GB
    needed = 1.0 + 1.5 * settings.workers
    short = free < needed
    yield Finding(
        "memory",
        "warn" if short else "ok",
        f"{free:.1f} GB free",
        f"{settings.workers} workers with the animatic engine want about {needed:.1f} GB." if short else "",
    )


def _codecs(_: Settings) -> Iterator[Finding]:
    import av
    from av.codec import Codec

    modes: dict[str, Literal["r", "w"]] = {"libx264": "w", "aac": "w", "h264": "r"}
    for name, mode in modes.items():
        what = f"{name} {'encoder' if mode == 'w' else 'decoder'}"
        try:
            Codec(name, mode)
        except ValueError:
            yield Finding(
                "codecs", "fail", f"{what} is missing", "Install av from PyPI: its wheels bring the codecs."
            )
        else:
            yield Finding("codecs", "ok", f"{what} of av {av.__version__}")


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    advice = "Choose another folder with --data, or change its owner."
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding("data", "fail", f"{folder} cannot be written: {error.strerror}", advice)
        return
    made = "" if folder == settings.data else " (made at the first start)"
    yield Finding("data", "ok", f"{settings.data} can be written{made}")
    free = shutil.disk_usage(folder).free
    level: Level = "fail" if free < 0.5 * GB else "warn" if free < 5 * GB else "ok"
    text = f"{free / GB:.1f} GB free, room for about {int(free / CLIP_BYTES):,} clips"
    yield Finding("disk", level, text, "" if level == "ok" else "Make room, or keep results for fewer days.")


def _kernels(_: Settings) -> Iterator[Finding]:
    from rushes.engines.animatic.cache import shelf

    folder = shelf()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if os.access(there, os.W_OK | os.X_OK):
        yield Finding("kernels", "ok", f"compiled kernels are kept in {folder}")
    else:
        advice = "The animatic engine compiles for a minute at each start; set NUMBA_CACHE_DIR."
        yield Finding("kernels", "warn", f"{folder} cannot be written", advice)


def _engines(_: Settings) -> Iterator[Finding]:
    from importlib.metadata import entry_points

    points = sorted(entry_points(group="rushes.engines"))
    for point in points:
        try:
            point.load()
        except Exception as error:  # noqa: BLE001  a third party's engine may raise anything
            advice = "Install it again, or its extra."
            yield Finding("engines", "fail", f"{point.name} ({point.value}): {error}", advice)
        else:
            yield Finding("engines", "ok", f"{point.name} ({point.value})")
    if not points:
        yield Finding("engines", "fail", "none is installed", "Install Rushes again: it brings 'animatic'.")


def _frame_hook(settings: Settings) -> Iterator[Finding]:
    from rushes.engines.hook import load_hook

    if settings.frame_hook is None:
        return
    try:
        load_hook(settings.frame_hook)
    except RushesError as error:
        yield Finding("frames", "fail", str(error), error.advice)
    else:
        yield Finding("frames", "ok", f"every frame passes '{settings.frame_hook}'")


def _policies(settings: Settings) -> Iterator[Finding]:
    from rushes.wiring.trust import make_policies

    if not settings.policies:
        return
    try:
        found = make_policies(settings)
    except RushesError as error:
        yield Finding("policies", "fail", str(error), error.advice)
    else:
        yield Finding("policies", "ok", f"{', '.join(found)} judge what is asked and made")


def _signing(settings: Settings) -> Iterator[Finding]:
    from rushes.wiring.trust import make_sealer

    try:
        sealer = make_sealer(settings)
    except RushesError as error:
        yield Finding("signing", "fail", str(error), error.advice)
    else:
        if sealer is not None:
            yield Finding("signing", "ok", f"{settings.c2pa_cert} signs videos and thumbnails")


def _cards(settings: Settings) -> Iterator[Finding]:
    from rushes.wiring.catalogue import load_catalogue

    try:
        cards = load_catalogue(settings)
    except RushesError as error:
        yield Finding("cards", "fail", str(error), error.advice)
    else:
        yield Finding("cards", "ok", f"{len(cards)} models; your own go to {settings.cards}")


def _ledger(settings: Settings) -> Iterator[Finding]:
    from rushes.ledger.queue import Ledger

    kept = settings.ledger.removeprefix("sqlite:///")
    if not Path(kept).exists():
        yield Finding("ledger", "ok", "none yet: made at the first start")
        return
    try:
        with closing(Ledger(settings.ledger)) as ledger:
            ledger.check()
    except RushesError as error:
        yield Finding("ledger", "fail", str(error), error.advice)
    else:
        yield Finding("ledger", "ok", f"{kept} is sound")


def _port(settings: Settings) -> Iterator[Finding]:
    where = f"{settings.host}:{settings.port}"
    try:
        _try_port(settings)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        advice = "Stop what listens there, or choose another --port." if taken else "Choose another --host."
        yield Finding("port", "warn" if taken else "fail", f"{where}: {error.strerror}", advice)
    else:
        yield Finding("port", "ok", f"{where} is free")
    if settings.listens_beyond_loopback:
        advice = "Set public_url if clients reach this machine by another name."
        if settings.api_key is None:
            advice += " Make a key first: `rushes keys create NAME`."
        yield Finding("address", "ok", f"links begin with {settings.public_url}", advice)


def _try_port(settings: Settings) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _settings,
    _system,
    _cores,
    _memory,
    _codecs,
    _folder,
    _kernels,
    _engines,
    _frame_hook,
    _policies,
    _signing,
    _cards,
    _ledger,
    _port,
)
