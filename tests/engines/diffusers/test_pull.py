"""Fetching weights: whole, as published, going on where it was broken off, with the licence accepted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from rushes.cli.app import app
from rushes.core.errors import SetupError
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine
from rushes.engines.diffusers import pull as pulling
from rushes.engines.diffusers.pull import Hub, pull, read_record, repair, verify
from rushes.engines.diffusers.recipe import Recipe, read_recipe
from tests.engines.diffusers.conftest import Studio
from tests.engines.diffusers.hub import COMMIT, TinyHub, files_below
from tests.engines.diffusers.test_render import frames

BIG = "transformer/diffusion_pytorch_model.safetensors"


def silent(*_: Any) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def published(studio: Studio) -> dict[str, bytes]:
    """The tiny checkpoint as its authors publish it, with things beside it that nobody needs."""
    extra = {
        "README.md": b"hello",
        "LICENSE.txt": b"do as you like",
        "transformer/pytorch_model.bin": b"a pickle",
        "vae/modeling.py": b"raise SystemExit",
        "assets/logo.png": b"png",
    }
    return {**files_below(studio.weights("wan21")), **extra}


@pytest.fixture
def hub(published: dict[str, bytes]) -> Iterator[TinyHub]:
    with TinyHub("tiny/wan21", dict(published)).served() as served:
        yield served


class Ask(NamedTuple):
    recipe: Recipe
    models: Path
    hub: Hub

    @property
    def folder(self) -> Path:
        return self.models / self.recipe.name

    def pull(self, **options: Any) -> list[Path]:
        return pull(self.recipe, self.models, self.hub, silent, **options)


@pytest.fixture
def ask(studio: Studio, hub: TinyHub, tmp_path: Path) -> Iterator[Ask]:
    with Hub(hub.url) as client:
        yield Ask(read_recipe(str(studio.recipe("wan21"))), tmp_path / "models", client)


def test_what_was_pulled_is_what_was_published_and_runs(studio: Studio, ask: Ask, hub: TinyHub) -> None:
    assert ask.pull() == [ask.folder]
    for path in ("README.md", "transformer/pytorch_model.bin", "vae/modeling.py", "assets/logo.png"):
        assert not (ask.folder / path).exists()
    for path, data in files_below(studio.weights("wan21")).items():
        assert (ask.folder / path).read_bytes() == data
    assert (ask.folder / "LICENSE.txt").exists()
    assert read_record(ask.folder).commit == COMMIT
    engine = DiffusersEngine({"recipe": str(studio.recipe("wan21", steps=1)), "models": str(ask.models)})
    engine.load(Recorder())
    assert len(frames(engine)) == 10
    asked = len(hub.asked)
    ask.pull()
    assert len(hub.asked) == asked, "what is there is not fetched again"


def test_progress_counts_the_bytes_of_the_whole_pull(ask: Ask) -> None:
    told: list[tuple[int, int]] = []
    pull(ask.recipe, ask.models, ask.hub, lambda _, there, total: told.append((there, total)))
    total = sum(file.size for file in read_record(ask.folder).files)
    assert {of for _, of in told} == {total}
    there = [count for count, _ in told]
    assert there == sorted(there)
    assert there[-1] == total


def test_a_broken_line_is_taken_up_where_it_broke(
    ask: Ask, hub: TinyHub, published: dict[str, bytes]
) -> None:
    ask.hub.files("tiny/wan21", "main")  # the listing is short, but not that short
    size = len(published[BIG])
    hub.cut_after = max(20_000, len(hub.listing()))
    ask.pull()
    ranges = [wanted for path, wanted in hub.asked if path == BIG]
    assert ranges[0] is None
    assert len(ranges) == -(-size // hub.cut_after)
    assert ranges[1] == f"bytes={hub.cut_after}-"
    assert verify(ask.folder, silent) == []


def test_a_pull_that_was_killed_goes_on_in_the_next_process(
    ask: Ask, hub: TinyHub, published: dict[str, bytes]
) -> None:
    """What a killed process leaves: the record, and a part of a file."""
    ask.pull()
    (ask.folder / BIG).unlink()
    part = ask.folder / f"{BIG}.part"
    part.write_bytes(published[BIG][:1000])
    hub.asked.clear()
    ask.pull()
    assert hub.asked == [(BIG, "bytes=1000-")]
    assert (ask.folder / BIG).read_bytes() == published[BIG]
    assert not part.exists()


def test_a_line_that_always_breaks_is_given_up_with_what_it_brought(ask: Ask, hub: TinyHub) -> None:
    ask.pull()
    (ask.folder / BIG).unlink()
    hub.cut_after = 0
    with pytest.raises(SetupError, match=r"broke off 6 times") as caught:
        ask.pull()
    assert "goes on from where it is" in caught.value.advice


def test_wrong_bytes_are_fetched_once_more_and_then_refused(
    ask: Ask, hub: TinyHub, published: dict[str, bytes]
) -> None:
    hub.wrong[BIG] = 1
    ask.pull()
    assert (ask.folder / BIG).read_bytes() == published[BIG]
    shutil.rmtree(ask.folder)
    hub.wrong[BIG] = 2
    with pytest.raises(SetupError, match="arrived twice with other bytes than were published"):
        ask.pull()
    assert not (ask.folder / BIG).exists()


@pytest.mark.parametrize("path", [BIG, "model_index.json"])
def test_verify_finds_one_rotten_bit_and_repair_brings_it_right(
    ask: Ask, published: dict[str, bytes], path: str
) -> None:
    ask.pull()
    data = bytearray((ask.folder / path).read_bytes())
    data[len(data) // 2] ^= 1
    (ask.folder / path).write_bytes(data)
    assert [file.path for file in verify(ask.folder, silent)] == [path]
    assert [file.path for file in repair(ask.recipe, ask.folder, ask.hub, silent)] == [path]
    assert (ask.folder / path).read_bytes() == published[path]
    assert verify(ask.folder, silent) == []


def test_a_disk_that_is_too_small_is_told_before_anything_comes(
    ask: Ask, hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=pulling.SPARE + 1000)
    monkeypatch.setattr(pulling.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SetupError, match=r"has 1.1 GB free; what is to come takes 0.0 GB"):
        ask.pull()
    assert hub.asked == []


def test_the_commit_stays_until_an_update_is_asked_for(
    ask: Ask, hub: TinyHub, published: dict[str, bytes]
) -> None:
    ask.pull()
    hub.commit = "f" * 40
    hub.files[BIG] = bytes(reversed(published[BIG]))
    ask.pull()
    assert read_record(ask.folder).commit == COMMIT
    ask.pull(update=True)
    assert read_record(ask.folder).commit == "f" * 40
    assert (ask.folder / BIG).read_bytes() == hub.files[BIG]


def test_a_gated_model_says_what_to_do(ask: Ask, hub: TinyHub) -> None:
    hub.closed = True
    with pytest.raises(SetupError, match=r"the hub refuses tiny/wan21 \(403\)") as caught:
        ask.pull()
    assert "HF_TOKEN" in caught.value.advice


def test_a_path_outside_the_folder_is_not_written(ask: Ask, hub: TinyHub) -> None:
    hub.files["../../evil.json"] = b"{}"
    with pytest.raises(SetupError, match="outside its folder"):
        ask.pull()


def test_a_lora_comes_with_its_recipe(studio: Studio, ask: Ask, hub: TinyHub) -> None:
    recipe = read_recipe(str(studio.recipe("wan21", lora=[{"repo": "tiny/wan21", "file": BIG}])))
    pull(recipe, ask.models, ask.hub, silent)
    assert (ask.folder / "lora" / BIG).read_bytes() == hub.files[BIG]


# -- on the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def command(hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("RUSHES_DATA", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_a_licence_with_conditions_must_be_accepted(studio: Studio, command: Any, tmp_path: Path) -> None:
    licence = {
        "name": "Odd License",
        "url": "https://example.org/odd",
        "accept": True,
        "clauses": ["not on the moon"],
    }
    recipe = studio.recipe("wan21", licence=licence)
    refused = command("pull", recipe)
    assert refused.exit_code == 1
    assert "Odd License: https://example.org/odd" in refused.stderr
    assert "not on the moon" in refused.stderr
    assert "--accept-licence" in refused.stderr
    assert not (tmp_path / "data" / "models").exists()
    accepted = command("pull", recipe, "--accept-licence")
    assert accepted.exit_code == 0, accepted.stderr
    assert accepted.stdout.strip() == str(tmp_path / "data" / "models" / "tiny-wan21")
    checked = command("pull", recipe, "--verify")
    assert checked.stdout.strip() == "every byte is as published"


def test_engines_lists_every_recipe_with_what_fits(command: Any) -> None:
    told = command("engines", "--json")
    assert told.exit_code == 0, told.stderr
    table = json.loads(told.stdout)
    assert {"animatic", "diffusers"} <= set(table["engines"])
    rows = {row["recipe"]: row for row in table["recipes"]}
    assert rows["wan2.2-ti2v-5b"]["makes"] == "text+image, 1280×720, 24 fps, 10 s"
    assert not rows["wan2.2-ti2v-5b"]["pulled"]
    assert all(row["fits"] for row in rows.values())


def test_engines_shows_one_recipe_with_its_licence_placements_and_levers(command: Any) -> None:
    told = command("engines", "hunyuanvideo-1.5")
    assert told.exit_code == 0, told.stderr
    assert "no use in the European Union" in told.stdout
    assert "resident + tiling" in told.stdout
    assert "first_block_cache" in told.stdout
    refused = command("engines", "hunyuan9")
    assert refused.exit_code == 1
    assert "there is no recipe 'hunyuan9'" in refused.stderr


def test_the_self_test_tells_speed_memory_and_causes(
    studio: Studio, command: Any, hub: TinyHub, tmp_path: Path
) -> None:
    recipe = studio.recipe("wan21")
    assert command("pull", recipe).exit_code == 0
    clip = tmp_path / "first.mp4"
    told = command("doctor", "--engine", recipe, "--keep", clip)
    lines = {line.split()[1]: line for line in told.stdout.splitlines() if line.strip()}
    for name in [
        "load",
        "picture",
        "contrast",
        "motion",
        "speed",
        "estimate",
        "memory",
        "clip",
        "repeat",
        "seed",
        "prompt",
    ]:
        assert name in lines, told.stdout
    assert "s a step, 3 steps" in lines["speed"]
    assert "%" in lines["estimate"]
    assert lines["repeat"].endswith("the same clip")
    assert clip.stat().st_size > 500
    levels = {line.split()[0] for line in lines.values()}
    assert told.exit_code == (1 if "fail" in levels else 0)
    assert "fail" not in {lines[name].split()[0] for name in ("picture", "repeat", "motion")}
