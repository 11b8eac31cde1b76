"""Kernels for all processes of the tests."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rushes.engines.animatic import AnimaticEngine


@pytest.fixture(scope="session")
def kernels() -> None:
    """For tests that draw with the animatic engine, in whatever process. Where several run the tests, the first that
    draws has all kernels compiled, as a worker does, and whoever comes meanwhile waits. Alone, a process compiles what
    it needs, since it may need little."""
    words = AnimaticEngine({}).preparation()
    if words and "PYTEST_XDIST_WORKER" in os.environ:
        # Its standard input stays open: where that ends, the preparation does.
        with subprocess.Popen([sys.executable, "-P", *words], stdin=subprocess.PIPE) as process:
            assert process.wait() == 0
