"""Under `RUSHES_TEST_REQUIRE=all` a skipped test is a failure: continuous integration proves everything."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest

from rushes import logs

# A shell's background ignores Ctrl-C, and so would every command that a test starts there and then interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REQUIRE_ALL = os.environ.get("RUSHES_TEST_REQUIRE") == "all"


@pytest.fixture(autouse=True)
def _logs_stay_as_pytest_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command run inside the tests' process would take the logs away from all tests that follow it."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped while RUSHES_TEST_REQUIRE=all: {reason}"
    return report
