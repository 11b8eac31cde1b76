"""The diffusers engine through the whole product: over HTTP, with a worker and a studio of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rushes.core.errors import SetupError
from rushes.settings import Settings
from rushes.wiring.catalogue import load_catalogue
from tests.e2e.served import Server, alive, eventually, kill, serve
from tests.engines.diffusers.conftest import Studio

MODEL = "kling-v2-6"


def write_card(folder: Path, options: dict[str, Any], model: str = MODEL) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
    (folder / "own.toml").write_text(f'id = "{model}"\n[engine]\nname = "diffusers"\n{rows}')
    return folder


@contextmanager
def served(home: Path, options: dict[str, Any], model: str = MODEL, **settings: object) -> Iterator[Server]:
    """Encoding is as quick as it can be: what a model of random weights makes is noise, the hardest there is."""
    cards = write_card(home / "cards", options, model)
    with serve(home / "data", cards=cards, x264_preset="ultrafast") as server:
        yield server


@pytest.mark.full
def test_five_seconds_of_720p_with_stereo_sound_over_http(studio: Studio, tmp_path: Path) -> None:
    """A full-size clip by a tiny LTX-2: everything is as large as life but the model. While it is decoded, the latents are
    to be seen."""
    sizes = {"16:9": [1280, 720], "9:16": [720, 1280], "1:1": [960, 960]}
    clip = {"fps": 24, "native_seconds": 10, "max_seconds": 10, "sizes": sizes}
    options = studio.options("ltx2", clip=clip, steps=2)
    payload = {
        "prompt": "waves on a beach",
        "sound": "on",
        "duration": "5",
        "seed": 5,
        "aspect_ratio": "16:9",
    }
    with served(tmp_path, options) as server:
        request_id = server.submit(payload)
        seen: dict[str, bytes] = {}
        for record in server.states(request_id):
            if (url := record.get("live_preview_url")) and url not in seen:
                seen[url] = server.fetch(url).content
        assert record["status"] == "success", record
        assert "live_preview_url" not in record
        outcome = record["outcome"]
        video = server.fetch(outcome["video_url"]).content
        assert server.fetch(outcome["thumbnail_image_url"]).content[:2] == b"\xff\xd8"
        folder = server.data / "files" / request_id
        eventually(lambda: len(list(folder.iterdir())) == 3, "removal of the live preview")
    (before,) = seen.values()
    with Image.open(io.BytesIO(before)) as image:
        assert image.width / image.height == pytest.approx(16 / 9, rel=0.05)
        assert image.getextrema() != ((0, 0),) * 3
    with av.open(io.BytesIO(video)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (picture.width, picture.height, picture.average_rate, picture.frames) == (1280, 720, 24, 120)
        assert (sound.rate, sound.codec_context.layout.name) == (48_000, "stereo")
        assert float(sound.duration * sound.time_base) == pytest.approx(5.0, abs=0.05)
        first, *_, last = (frame.to_ndarray(format="rgb24") for frame in container.decode(picture))
    assert first.std() > 2, "it is blank"
    assert np.abs(first.astype(int) - last).mean() > 0.5, "it is frozen"


def test_a_studio_that_is_killed_costs_an_attempt_and_not_the_request(studio: Studio, tmp_path: Path) -> None:
    with served(tmp_path, studio.options("ti2v", steps=30), "kling-v2-5-turbo") as server:
        wanted = {"prompt": "a fox", "duration": "5", "seed": 3, "aspect_ratio": "16:9"}
        request_id = server.submit(wanted, model="kling-v2-5-turbo")
        log = server.data / "logs" / "studio-diffusers.log"
        eventually(lambda: log.exists() and b"tiny-ti2v on cpu" in log.read_bytes(), "studio that loads", 60)
        (victim,) = server.studios()
        kill(victim)
        eventually(lambda: not alive(victim), "end of the studio")
        record = server.ended(request_id, within=120)
        assert record["status"] == "success", record
        assert log.read_bytes().count(b"tiny-ti2v on cpu") == 2


@pytest.mark.parametrize(
    ("which", "model", "gap"),
    [
        ("ti2v", "kling-v2-6", "sound"),
        ("wan21", "kling-v2-5-turbo", r"video from an image; 10 seconds \(its most is 5\)"),
        ("wan22-image", "kling-v2-5-turbo", "video from text alone"),
    ],
)
def test_a_card_that_promises_more_than_its_recipe_is_refused(
    studio: Studio, tmp_path: Path, which: str, model: str, gap: str
) -> None:
    cards = write_card(tmp_path / "cards", studio.options(which), model)
    settings = Settings.load({"data": str(tmp_path / "data"), "cards": str(cards)}, environ={})
    with pytest.raises(
        SetupError, match=f"card {model}: engine 'diffusers' cannot do what the card promises: {gap}"
    ):
        load_catalogue(settings)


def test_the_settings_models_folder_reaches_the_engine(tmp_path: Path) -> None:
    cards = write_card(tmp_path / "cards", {"recipe": "ltx-2.3"})
    settings = Settings.load({"data": str(tmp_path / "data"), "cards": str(cards)}, environ={})
    options = load_catalogue(settings).find(MODEL).engine.options
    assert options == {"recipe": "ltx-2.3", "models": str(tmp_path / "data" / "models")}
