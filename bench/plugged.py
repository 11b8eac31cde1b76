"""An engine of this folder made an installed distribution, as any third party's engine is found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def plugged(folder: Path, name: str, target: str) -> Iterator[None]:
    """Processes that are started in the block find the engine `name` at `target`, a "module:class" of the bench."""
    info = folder / "site" / f"rushes_{name.replace('-', '_')}_engine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rushes-{name}-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[rushes.engines]\n{name} = {target}\n")
    before = os.environ.get("PYTHONPATH")
    root = str(Path(__file__).parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder / "site"), root, before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
