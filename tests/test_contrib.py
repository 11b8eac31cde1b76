"""The examples in contrib/ name commands, paths and settings that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from rushes.cli.app import app
from rushes.server.operations import HEALTH_PATHS
from rushes.settings import Settings
from rushes.wiring.serve import LINGER_SECONDS
from tools.docs import ROOT

UNIT = ROOT / "contrib" / "rushes.service"
CONTAINERFILE = ROOT / "contrib" / "Containerfile"
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def unit(name: str) -> list[str]:
    """The values of one directive, in their order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.M)


def seconds(name: str) -> float:
    (value,) = unit(name)
    return float(value)


def settings(pairs: list[str]) -> Settings:
    """Checked as a start would check them."""
    return Settings.load(environ=dict(pair.split("=", 1) for pair in pairs))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- systemd -------------------------------------------------------------------------------------------------------


def test_the_unit_starts_a_command_with_settings_that_exist() -> None:
    (start,) = unit("ExecStart")
    program, command = start.split()
    assert Path(program).name == "rushes"
    assert command in COMMANDS
    given = settings(unit("Environment"))
    assert given.data == Path("/var/lib") / unit("StateDirectory")[0]
    assert unit("ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_the_unit_waits_longer_than_a_drain() -> None:
    drain = settings(unit("Environment")).drain_seconds
    assert seconds("TimeoutStopSec") >= drain + LINGER_SECONDS + 10
    assert unit("KillMode") == ["mixed"], "workers hear of the stop from the server, not from systemd"


def test_the_unit_leaves_the_engine_what_it_needs() -> None:
    text = "\n".join(line for line in UNIT.read_text().splitlines() if not line.startswith("#"))
    assert "MemoryDenyWriteExecute" not in text, "kernels are compiled while it runs"
    (cache,) = [pair for pair in unit("Environment") if pair.startswith("NUMBA_CACHE_DIR=")]
    assert cache == f"NUMBA_CACHE_DIR=/var/cache/{unit('CacheDirectory')[0]}"
    assert unit("OOMPolicy") == ["continue"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    (start,) = unit("ExecStart")
    here = tmp_path / "rushes.service"
    here.write_text(UNIT.read_text().replace(start.split()[0], str(shutil.which("true"))))
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")


# -- container -----------------------------------------------------------------------------------------------------


def instructions(word: str) -> list[str]:
    """What follows `word` in the Containerfile, lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    return re.findall(rf"^{word} +(.*)$", text, re.M)


def test_the_image_runs_a_command_that_exists_as_nobody_special() -> None:
    assert instructions("ENTRYPOINT") == ['["rushes"]']
    (command,) = instructions("CMD")
    assert command.strip('[]"') in COMMANDS
    (user,) = instructions("USER")
    assert int(user) >= 10_000


def test_the_image_sets_settings_that_exist_and_keeps_its_data() -> None:
    (environment,) = instructions("ENV")
    given = settings(environment.split())
    assert [str(given.data)] == instructions("VOLUME")
    assert [str(given.port)] == instructions("EXPOSE")
    assert given.listens_beyond_loopback
    (check,) = instructions("HEALTHCHECK")
    found = re.search(rf"http://127\.0\.0\.1:{given.port}(/\w+)", check)
    assert found is not None
    assert found[1] in HEALTH_PATHS


def test_the_image_is_built_from_files_that_exist() -> None:
    sources = [line.split()[:-1] for line in instructions("COPY") if not line.startswith("--from")]
    assert sources
    for name in (name for line in sources for name in line):
        assert (ROOT / name).exists(), name


def test_both_examples_speak_of_commands_that_exist() -> None:
    for path in (UNIT, CONTAINERFILE):
        for word in re.findall(r"(?:bin/|/data |:/data )rushes (\w+)", path.read_text()):
            assert word in COMMANDS, word
    assert "GPL" in CONTAINERFILE.read_text()
    assert "GNU General Public" in (ROOT / "NOTICE").read_text()
