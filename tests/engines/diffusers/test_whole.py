"""The diffusers engine through the whole product: over HTTP, with a worker and a studio of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

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
def served(home: Path, options: dict[str, Any], model: str = MODEL) -> Iterator[Server]:
    with serve(home / "data", cards=write_card(home / "cards", options, model)) as server:
        yield server


BARE = """
import json, sys, time, torch
from diffusers import LTX2Pipeline
from diffusers.utils import encode_video
folder, width, height, frames, steps, path = sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6]
pipe = LTX2Pipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
pipe.set_progress_bar_config(disable=True)
started = time.perf_counter()
made = pipe(
    prompt="waves on a beach", negative_prompt="", width=width, height=height, num_frames=frames, frame_rate=24.0,
    num_inference_steps=steps, guidance_scale=5.0, audio_guidance_scale=7.0, spatio_temporal_guidance_blocks=[1],
    max_sequence_length=64, generator=torch.Generator().manual_seed(5), output_type="np",
)
called = time.perf_counter() - started
video = torch.from_numpy((made.frames * 255).round().astype("uint8"))
encode_video(video[0], fps=24, audio=made.audio[0].float().cpu(), audio_sample_rate=24000, output_path=path)
print(json.dumps([called, time.perf_counter() - started]))
"""


@pytest.mark.full
def test_five_seconds_of_720p_with_stereo_sound_over_http(studio: Studio, tmp_path: Path) -> None:
    """A full-size clip by a tiny LTX-2: everything is as large as life but the model."""
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
        submitted = time.monotonic()
        record = server.ended(server.submit(payload), within=400)
        took = time.monotonic() - submitted
        assert record["status"] == "success", record
        outcome = record["outcome"]
        video = server.fetch(outcome["video_url"]).content
        assert server.fetch(outcome["thumbnail_image_url"]).content[:2] == b"\xff\xd8"
    with av.open(io.BytesIO(video)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (picture.width, picture.height, picture.average_rate, picture.frames) == (1280, 720, 24, 120)
        assert (sound.rate, sound.codec_context.layout.name) == (48_000, "stereo")
        assert float(sound.duration * sound.time_base) == pytest.approx(5.0, abs=0.05)
        first, *_, last = (frame.to_ndarray(format="rgb24") for frame in container.decode(picture))
    assert first.std() > 2, "it is blank"
    assert np.abs(first.astype(int) - last).mean() > 0.5, "it is frozen"
    bare = subprocess.run(
        [
            sys.executable,
            "-c",
            BARE,
            options["weights"],
            "1280",
            "736",
            "121",
            "2",
            str(tmp_path / "bare.mp4"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    called, written = json.loads(bare.stdout.splitlines()[-1])
    print(f"whole product with load {took:.1f} s; bare call {called:.1f} s, with its MP4 {written:.1f} s")
    print(f"whole product over bare call with MP4: {took / written:.2f}")


def test_a_studio_that_is_killed_costs_an_attempt_and_not_the_request(studio: Studio, tmp_path: Path) -> None:
    with served(tmp_path, studio.options("ti2v", steps=100), "kling-v2-5-turbo") as server:
        wanted = {"prompt": "a fox", "duration": "5", "seed": 3, "aspect_ratio": "16:9"}
        request_id = server.submit(wanted, model="kling-v2-5-turbo")
        log = server.data / "logs" / "studio-diffusers.log"
        eventually(lambda: log.exists() and b"tiny-ti2v on cpu" in log.read_bytes(), "studio that loads", 60)
        (victim,) = server.studios()
        kill(victim)
        assert not alive(victim) or victim.wait(10) is not None
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
