"""The generated pages say what the code does, and the written ones name only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from rushes.cli.app import app
from rushes.settings import Settings
from rushes.settings.sources import variable
from tools.docs import DOCS, ROOT, pages, table

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_current(path: Path) -> None:
    assert path.read_text("utf-8") == PAGES[path], f"run `make docs`: {path.relative_to(ROOT)} is out of date"


def test_every_setting_and_every_command_has_its_line() -> None:
    settings, cli = PAGES[DOCS / "settings.md"], PAGES[DOCS / "cli.md"]
    assert all(f"`{variable(name)}`" in settings for name in Settings.model_fields)
    assert all(f"## rushes {word}\n" in cli for word in get_command(app).commands)  # type: ignore[attr-defined]


def test_cells_stay_cells() -> None:
    assert table(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |"


WRITTEN = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")])


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_written_pages_name_commands_flags_and_links_that_exist(path: Path) -> None:
    text, cli = path.read_text("utf-8"), PAGES[DOCS / "cli.md"]
    for word in re.findall(r"(?:^|`)rushes ([a-z]+)", text, re.M):
        assert f"rushes {word}" in cli, word
    for line in re.findall(r"^rushes .*", text, re.M):
        for flag in re.findall(r" (--[a-z][a-z0-9-]*)", line):
            assert flag in cli or flag in PAGES[DOCS / "settings.md"], flag
    for verb in re.findall(r"(?:^|`)make ([a-z]+)`?", text, re.M):
        assert f"\n{verb}: " in (ROOT / "Makefile").read_text("utf-8"), verb
    for link in re.findall(r"\]\(([^)#: ]+)\)", text):
        assert (path.parent / link).exists(), link
