"""Fetching weights: whole, as published, going on where it was broken off, with the licence accepted."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from rushes.cli.app import app
from rushes.core.errors import SetupError
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine, selftest
from rushes.engines.diffusers import pull as pulling
from rushes.engines.diffusers.hub import Hub
from rushes.engines.diffusers.pull import pull, read_record, repair, verify
from rushes.engines.diffusers.recipe import Recipe, read_recipe
from rushes.engines.diffusers.selftest import self_test
from tests.engines.diffusers.conftest import Studio
from tests.engines.diffusers.hub import COMMIT, TinyHub, files_below
from tests.engines.diffusers.test_render import frames
from tests.tls import self_signed

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
    """What pulls, and what the hub's client said and how long it waited."""

    recipe: Recipe
    models: Path
    hub: Hub
    said: list[str]
    waited: list[float]

    @property
    def folder(self) -> Path:
        return self.models / self.recipe.name

    def pull(self, **options: Any) -> list[Path]:
        return pull(self.recipe, self.models, self.hub, silent, **options)


@pytest.fixture
def ask(studio: Studio, hub: TinyHub, tmp_path: Path) -> Iterator[Ask]:
    said: list[str] = []
    waited: list[float] = []
    with Hub(hub.url, say=said.append, wait=waited.append) as client:
        yield Ask(read_recipe(str(studio.recipe("wan21"))), tmp_path / "models", client, said, waited)


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
    assert set(ask.waited) == {1.0}, "each brought something, so each is the first again"
    assert all(word.startswith("the line to 127.0.0.1:") for word in ask.said)


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
    with pytest.raises(
        SetupError, match=rf"^{BIG} of tiny/wan21 could not be fetched, 6 times: the line"
    ) as caught:
        ask.pull()
    assert "goes on from where it is" in caught.value.advice
    assert ask.waited == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_hub_that_is_busy_is_left_alone_as_long_as_it_asks(ask: Ask, hub: TinyHub) -> None:
    hub.busy = 2
    ask.pull()
    assert ask.waited == [7.0, 7.0]
    assert ask.said == [
        f"127.0.0.1 is too busy, or broken (503); trying again in 7 s ({n} of 3)" for n in (2, 3)
    ]
    hub.busy = 3
    with pytest.raises(SetupError, match=r"list of files of tiny/wan21 could not be fetched, 3 times: 127"):
        ask.pull(update=True)


def test_a_portal_is_not_taken_for_the_hub(ask: Ask, hub: TinyHub) -> None:
    hub.portal = True
    with pytest.raises(SetupError, match=r"127.0.0.1 answers with something else than the list of files"):
        ask.pull()


def test_a_disk_that_is_full_is_named(ask: Ask, hub: TinyHub) -> None:
    _, files = ask.hub.files("tiny/wan21", "main")
    (big,) = (file for file in files if file.path == BIG)
    with pytest.raises(SetupError, match="/dev/full cannot be written: No space left on device"):
        ask.hub.fetch(big, Path("/dev/full"), silent)


def test_a_certificate_that_nobody_trusts_is_not_tried_again(
    tmp_path: Path, published: dict[str, bytes]
) -> None:
    waited: list[float] = []
    with (
        TinyHub("tiny/wan21", published).served(self_signed(tmp_path)) as hub,
        Hub(hub.url, wait=waited.append) as client,
        pytest.raises(SetupError, match=r"the certificate of 127.0.0.1:\d+ is not trusted here"),
    ):
        client.files("tiny/wan21", "main")
    assert waited == []


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


def test_a_hub_that_is_away_is_one_error_with_host_cause_and_advice(
    studio: Studio, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"  # and let go, so that nobody listens there
    monkeypatch.setenv("HF_ENDPOINT", f"http://{host}")
    monkeypatch.setattr("rushes.engines.diffusers.hub.FIRST_WAIT", 0.0)
    told = command("pull", studio.recipe("wan21"))
    assert told.exit_code == 1
    _, *lines = told.stderr.splitlines()  # the licence comes first
    assert lines == [
        *(f"{host} refuses the connection; trying again in 0 s ({n} of 3)" for n in (2, 3)),
        f"Error: the list of files of tiny/wan21 could not be fetched, 3 times: {host} refuses the connection",
        "Check the network (HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror), then run the same command again: it goes on"
        " from where it is.",
    ]
    monkeypatch.setenv("HF_ENDPOINT", "hub")
    told = command("pull", studio.recipe("wan21"))
    assert "Error: HF_ENDPOINT is 'hub'; it must begin with http:// or https://" in told.stderr


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
    assert "rushes[torchao]" in told.stdout
    levers = [line.split() for line in told.stdout.split("lever ")[1].splitlines()[1:]]
    assert ["context_parallel", "-"] in [words[:2] for words in levers]
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
    levels, lines = {}, {}
    for line in told.stdout.splitlines():
        level, name, text = line.split(maxsplit=2)
        levels[name], lines[name] = level, text
    assert levels == {
        **dict.fromkeys(("load", "clip", "speed", "estimate", "memory"), "info"),
        **dict.fromkeys(("picture", "contrast", "motion", "repeat"), "ok"),
        **dict.fromkeys(("prompt", "seed", "negative", "cfg"), "ok"),
    }
    assert told.exit_code == 0
    assert lines["speed"].endswith("s a step; a clip has 3")
    assert "not judged" in lines["estimate"]
    assert lines["repeat"] == "the same clip"
    assert clip.stat().st_size > 500
    (line,) = told.stderr.splitlines()
    assert line == "tiny-wan21 on cpu (CPU): resident", "no library says anything"


def test_what_changes_nothing_fails_the_self_test_and_an_image_is_tried_with_another(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "CHANGES", {"seed": ("seed", selftest.SHOT.seed)})
    engine = studio.engine("wan22-image", steps=1)
    found = {line.name: line for line in self_test(engine, lambda _: None)}
    assert (found["seed"].level, found["seed"].text) == ("fail", "another clip by 0 levels")
    assert found["image"].level == "ok"


@pytest.mark.parametrize(
    ("guess", "step", "level", "words"),
    [
        (1.0, 1.2, "ok", "the formula said 1.000 s a step, 17 % too short"),
        (1.0, 0.6, "ok", "the formula said 1.000 s a step, 67 % too long"),
        (1.0, 2.5, "warn", "the formula said 1.000 s a step, 60 % too short"),
        (1.0, 0.4, "warn", "the formula said 1.000 s a step, 150 % too long"),
        (0.001, 0.03, "info", "not judged: by the formula 0.001 s of a step are arithmetic"),
    ],
)
def test_an_estimate_that_is_far_off_is_not_called_ok(
    guess: float, step: float, level: str, words: str
) -> None:
    found = selftest.judged(guess, step)
    assert found.level == level
    assert found.text.startswith(words)
    assert bool(found.advice) == (level == "warn")
