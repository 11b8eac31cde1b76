"""The commands of README and quickstart, run as they stand there: only host, key and names of files are put in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.served import KEY, Server
from tests.server.site import picture

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "quickstart.md"]
NOT_RUN = r"(git clone|make |\. \.venv|rushes serve|rushes keys|export )"
"""What sets a machine up; the other end-to-end tests start servers, and `tests/cli` makes keys."""


def commands(page: Path) -> list[str]:
    """The commands of a page's shell blocks, with lines that go on joined."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    found: list[str] = []
    for line in "\n".join(text for language, text in blocks if language in ("", "sh")).splitlines():
        if found and (found[-1].endswith("\\") or found[-1].count("'") % 2):
            found[-1] += "\n" + line
        elif line.strip():
            found.append(line)
    return [command for command in found if not re.match(NOT_RUN, command)]


@pytest.fixture
def desk(tmp_path: Path, small: Server, colour: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos, and the surroundings of somebody who has just started a server. What is made without it is
    made by the colour engine, whose studio is there at once."""
    for name in ("cat.jpg", "photo.jpg"):
        (tmp_path / name).write_bytes(picture("JPEG", 640, 480, noise=True))
    for name in [name for name in os.environ if name.startswith("RUSHES_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "RUSHES_API_KEY": KEY,
        "RUSHES_PORT": urlsplit(small.url).port,
        "RUSHES_CARDS": colour,
        "KEY": KEY,
        "API": f"{small.url}/api/v1/ie/requestqueue/apikey",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, desk: Path, small: Server) -> None:
    request_id = ""
    for command in commands(page):
        line = command.replace("http://127.0.0.1:8000", small.url).replace("REQUEST_ID", request_id)
        line = line.replace("./rushes-data", str(small.data)).replace(".venv/bin/rushes", "rushes")
        done = subprocess.run(["bash", "-c", line], cwd=desk, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if line.startswith("curl"):
            answer = json.loads(done.stdout)
            assert answer["status"] in ("queued", "processing", "success"), answer
            request_id = answer["request_id"]
        for file in re.findall(r" -o (\S+)", line):
            assert (desk / file).stat().st_size > 1000


def test_both_pages_hold_commands() -> None:
    assert [len(commands(page)) for page in PAGES] == [3, 9]
