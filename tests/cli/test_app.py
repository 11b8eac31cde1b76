"""What holds for all commands, and the small ones: models, keys, serve, worker, completion."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rushes.cards import read_catalogue
from rushes.cli.app import app
from rushes.cli.serve import WORKER_SETTINGS
from rushes.core.keys import parse_key
from rushes.settings import Settings
from rushes.wiring.serve import Ready
from tests.cli.conftest import Rushes

HEAVY = [
    "alembic",
    "av",
    "cv2",
    "httpx2",
    "numba",
    "numpy",
    "obstore",
    "PIL",
    "sqlalchemy",
    "starlette",
    "uvicorn",
]


def test_version(rushes: Rushes) -> None:
    assert rushes("--version").stdout == f"rushes {version('rushes')}\n"


def test_no_command_shows_help() -> None:
    assert "generate" in CliRunner().invoke(app, []).output


def test_wrong_settings_are_one_line_with_advice(rushes: Rushes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_PROT", "1")
    result = rushes("models", status=1)
    assert result.stderr == "Error: the variable RUSHES_PROT names no setting\nDid you mean RUSHES_PORT?\n"


def test_light_commands_import_nothing_heavy() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from rushes.cli.app import app\n"
        "result = CliRunner().invoke(app, ['models', '--json']); assert result.exit_code == 0, result.output\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_program_itself() -> None:
    done = subprocess.run([sys.executable, "-m", "rushes", "models", "nope"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: model nope does not exist")


# -- models ---------------------------------------------------------------------------------------------------------


def test_models_names_every_id_whole(rushes: Rushes) -> None:
    shown = [line.split()[0] for line in rushes("models").stdout.splitlines()]
    assert shown == ["model", *(card.id for card in read_catalogue())]
    assert [model["id"] for model in json.loads(rushes("models", "--json").stdout)] == shown[1:]


def test_one_model_in_any_case_with_its_limits(rushes: Rushes) -> None:
    shown = rushes("models", "KLING-V2-6").stdout
    card = read_catalogue().find("kling-v2-6")
    assert shown.startswith("kling-v2-6 served by animatic\n")
    for parameter in card.parameters:
        assert parameter.name in shown
        assert parameter.limits() in shown
    assert json.loads(rushes("models", "kling-v2-6", "--json").stdout)["id"] == "kling-v2-6"


def test_own_cards_count(rushes: Rushes, data: Path) -> None:
    (data / "cards").mkdir(parents=True)
    (data / "cards" / "mine.toml").write_text('id = "kling-v2-6"\n[engine]\nname = "other"\n')
    assert rushes("models", "kling-v2-6").stdout.startswith("kling-v2-6 served by other\n")


# -- keys -----------------------------------------------------------------------------------------------------------


def test_keys_from_making_to_revoking(rushes: Rushes) -> None:
    made = rushes("keys", "create", "anna").stdout.strip()
    key = parse_key(made)
    assert key is not None
    told = json.loads(rushes("keys", "create", "ben", "--json").stdout)
    assert told["owner"] == "ben"
    listed = rushes("keys", "list").stdout
    assert key.kid in listed
    assert key.secret not in listed
    rushes("keys", "revoke", key.kid)
    revoked = {
        record["kid"]: record["revoked"] for record in json.loads(rushes("keys", "list", "--json").stdout)
    }
    assert revoked == {key.kid: True, told["kid"]: False}
    assert "no key" in rushes("keys", "revoke", key.kid, status=1).stderr


# -- serve and worker -----------------------------------------------------------------------------------------------


def test_serve_takes_every_setting(rushes: Rushes, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []

    def run_server(settings: Settings, on_ready: object) -> None:
        seen.append(settings)
        assert callable(on_ready)
        on_ready(Ready("http://127.0.0.1:9000", "rsh_k_s"))

    monkeypatch.setattr("rushes.wiring.serve.run_server", run_server)
    result = rushes("serve", "--port", 9000, "--fetch-allow", "10.0.0.0/8", "--keep-days", "forever")
    assert (seen[0].port, seen[0].fetch_allow, seen[0].keep_days) == (9000, ("10.0.0.0/8",), None)
    assert f"listens on http://127.0.0.1:9000 and keeps all it knows in {data}\n" in result.stdout
    assert "Authorization: Bearer rsh_k_s" in result.stdout


def test_serve_tells_no_key_when_others_were_chosen(rushes: Rushes, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_server(_: Settings, on_ready: object) -> None:
        assert callable(on_ready)
        on_ready(Ready("http://h:1", None))

    monkeypatch.setattr("rushes.wiring.serve.run_server", run_server)
    told = rushes("serve").stdout
    assert "KEY stands for one of your keys" in told
    assert "Bearer $KEY" in told


def test_worker_ends_with_its_status(rushes: Rushes, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []
    monkeypatch.setattr("rushes.wiring.work.run_worker", lambda settings: seen.append(settings) or 3)
    rushes("worker", "--lease-seconds", 60, status=3)
    assert seen[0].lease_seconds == 60
    assert "host" not in WORKER_SETTINGS
    rushes("worker", "--host", "0.0.0.0", status=2)


# -- completion -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rushes gen", ["generate"]),
        ("rushes generate --aspect-ratio 9", ["9:16"]),
        ("rushes generate --model kling-v2-", ["kling-v2-5-turbo", "kling-v2-6"]),
    ],
)
def test_completion(words: str, offered: list[str]) -> None:
    env = {
        "_RUSHES_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    result = CliRunner().invoke(app, [], prog_name="rushes", env=env)
    assert result.stdout.split() == offered
