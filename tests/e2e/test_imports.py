"""Commands that need no engine and no database load none: `rushes models` answers at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("av", "numba", "cv2", "torch", "sqlalchemy", "starlette", "PIL", "obstore", "uvicorn", "scipy")
TELL = "import json, sys; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
MODELS = "from rushes.cli.app import app\ntry:\n    app(['models'])\nexcept SystemExit:\n    pass\nprint()"


@pytest.mark.parametrize("program", ["import rushes", MODELS], ids=["import rushes", "rushes models"])
def test_nothing_heavy_is_loaded(tmp_path: Path, program: str) -> None:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}\n{TELL}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
        env=mine | {"RUSHES_DATA": str(tmp_path / "data")},
    )
    *said, modules = ended.stdout.splitlines()
    loaded = set(json.loads(modules))
    assert "rushes" in loaded
    assert loaded.isdisjoint(HEAVY), loaded.intersection(HEAVY)
    if "models" in program:
        assert "kling-v2-6" in "\n".join(said)
