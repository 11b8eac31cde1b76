"""The model cards as files: the built-in ones beside this file, and the operator's own in a folder of the settings.

One TOML file per model id. `core.catalogue` says what they mean; here they are only found and read.
"""

from __future__ import annotations

from pathlib import Path

from rushes.core.catalogue import Catalogue
from rushes.core.errors import SetupError


def read_catalogue(own: Path | None = None) -> Catalogue:
    """The built-in cards, and those in the folder `own` over them; a missing folder has none. Raises `SetupError`."""
    return Catalogue.parse(_texts(Path(__file__).parent), _texts(own) if own is not None else None)


def _texts(folder: Path) -> dict[str, str]:
    try:
        return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.toml"))}
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"the model cards in {folder} cannot be read: {error}",
            advice="Each must be a readable UTF-8 file.",
        ) from error
