"""Commands that need no engine and no database load none: `rushes models` answers at once. A server that draws nothing
loads nothing to draw with, from its first import to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRAWING = {"av", "cv2", "numba", "numpy", "scipy", "torch"}
SERVING = {"PIL", "obstore", "sqlalchemy", "starlette", "uvicorn"}
TELL = "import json, sys; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
MODELS = "from rushes.cli.app import app\ntry:\n    app(['models'])\nexcept SystemExit:\n    pass\nprint()"
SERVE = (
    "import os, signal\n"
    "import rushes.cli.app\n"
    "from rushes.settings import Settings\n"
    "from rushes.wiring.serve import run_server\n"
    "run_server(Settings.load(), lambda ready: os.kill(os.getpid(), signal.SIGTERM))"
)


@pytest.mark.parametrize(
    ("program", "without"),
    [("import rushes", DRAWING | SERVING), (MODELS, DRAWING | SERVING), (SERVE, DRAWING)],
    ids=["import rushes", "rushes models", "rushes serve"],
)
def test_nothing_heavy_is_loaded(tmp_path: Path, program: str, without: set[str]) -> None:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}\n{TELL}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
        env=mine | {"RUSHES_DATA": str(tmp_path / "data"), "RUSHES_PORT": "0", "RUSHES_WORKERS": "0"},
    )
    *said, modules = ended.stdout.splitlines()
    loaded = set(json.loads(modules))
    assert "rushes" in loaded
    assert loaded.isdisjoint(without), loaded & without
    if program == MODELS:
        assert "kling-v2-6" in "\n".join(said)
    if program == SERVE:
        assert loaded >= SERVING
