"""The built-in cards, as the wiring would read them."""

from __future__ import annotations

from functools import cache
from importlib import resources

from rushes.core.catalogue import Catalogue

ALL = (
    "kling-v2-6",
    "kling-v2-5-turbo",
    "Kling-Image2Video-V2-Master",
    "Kling-Text2Video-V2.1-Master",
    "klingai/v2.5-turbo/pro/text-to-video",
)

IMAGE = "https://example.com/cat.jpg"
NEEDED = {
    "kling-v2-6": {"prompt": "x"},
    "kling-v2-5-turbo": {"prompt": "x"},
    "Kling-Image2Video-V2-Master": {"image": IMAGE},
    "Kling-Text2Video-V2.1-Master": {"prompt": "x"},
    "klingai/v2.5-turbo/pro/text-to-video": {"prompt": "x"},
}
"""The least that each model accepts."""


@cache
def texts() -> dict[str, str]:
    folder = resources.files("rushes") / "cards"
    return {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".toml")}


@cache
def catalogue() -> Catalogue:
    return Catalogue.parse(texts())
