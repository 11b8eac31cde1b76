"""What an operator may put between a call and its result: policies that judge, and a certificate that signs."""

from __future__ import annotations

from importlib.metadata import version

from rushes.ledger.queue import Ledger
from rushes.media.credentials import Sealer
from rushes.policies.base import Policy, make_policy
from rushes.policies.panel import Panel
from rushes.settings import Settings


def make_policies(settings: Settings) -> dict[str, Policy]:
    """The chosen policies by name, told their options. Raises `SetupError`."""
    return {name: make_policy(name, settings.policy_options.get(name, {})) for name in settings.policies}


def make_panel(settings: Settings, ledger: Ledger) -> Panel:
    """Raises `SetupError`."""
    return Panel(
        make_policies(settings),
        ledger.record,
        on_failure=settings.policy_failure,
        seconds=settings.policy_seconds,
    )


def make_sealer(settings: Settings) -> Sealer | None:
    """None without a certificate. Raises `SetupError` for one that cannot sign."""
    if settings.c2pa_cert is None or settings.c2pa_key is None:
        return None
    return Sealer(
        settings.c2pa_cert,
        settings.c2pa_key,
        settings.c2pa_alg,
        settings.c2pa_tsa,
        version=version("rushes"),
    )
