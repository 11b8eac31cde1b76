"""What stands in the logs, and what never does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys, structlog
from rushes import logs
logs.configure(sys.argv[1], "json")
log = structlog.get_logger("rushes.test")
with structlog.contextvars.bound_contextvars(request="r", fence=3):
    log.info("made", prompt="a secret wish", key="rsh_k_s", token="t", authorization="Bearer x", seconds=1)
    log.debug("wish", prompt="a secret wish", payload={"prompt": "a secret wish"})
logging.getLogger("some.library").warning("from elsewhere")
logging.getLogger("httpx2").info("chatter")
"""


def lines(level: str) -> list[dict[str, object]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, level], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_lines_carry_what_they_concern_and_no_secrets() -> None:
    made, elsewhere = lines("info")
    assert (made["event"], made["request"], made["fence"], made["seconds"]) == ("made", "r", 3, 1)
    assert not made.keys() & {"prompt", "key", "token", "authorization"}
    assert elsewhere["event"] == "from elsewhere"


@pytest.mark.parametrize(("level", "said"), [("info", 0), ("debug", 1)])
def test_prompts_stand_at_debug_level_only(level: str, said: int) -> None:
    assert sum("a secret wish" in json.dumps(line) for line in lines(level)) == said
