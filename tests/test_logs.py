"""What stands in the logs, and what never does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys, structlog
from rushes import logs
logs.configure(sys.argv[1], "json")
log = structlog.get_logger("rushes.test")
with structlog.contextvars.bound_contextvars(request="r", fence=3):
    log.info("made", prompt="a secret wish", key="rsh_k_s", token="t", authorization="Bearer x", seconds=1)
    log.debug("wish", prompt="a secret wish", payload={"prompt": "a secret wish"})
log.info("odd", path="\\udcff", worker={1: ValueError("no")})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broke")
logging.getLogger("some.library").warning("from elsewhere")
logging.getLogger("httpx2").info("chatter")
"""


def lines(level: str) -> list[dict[str, object]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, level], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_lines_carry_what_they_concern_and_no_secrets() -> None:
    made, odd, broke, elsewhere = lines("info")
    assert (made["event"], made["request"], made["fence"], made["seconds"]) == ("made", "r", 3, 1)
    assert not made.keys() & {"prompt", "key", "token", "authorization"}
    assert (made["logger"], made["level"]) == ("rushes.test", "info")
    assert odd["path"] == "\udcff"
    assert "ZeroDivisionError" in str(broke["exception"])
    assert (elsewhere["event"], elsewhere["logger"]) == ("from elsewhere", "some.library")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_line_that_cannot_be_written_breaks_nothing() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM + "print('went on')", "info"],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
        )
    assert done.stdout == "went on\n"


@pytest.mark.parametrize(("level", "said"), [("info", 0), ("debug", 1)])
def test_prompts_stand_at_debug_level_only(level: str, said: int) -> None:
    assert sum("a secret wish" in json.dumps(line) for line in lines(level)) == said
