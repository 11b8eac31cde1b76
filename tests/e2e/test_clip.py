"""One clip as large as it gets by default, asked for as the vendor's page does and taken apart as a player would."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.e2e.served import serve

ASK = {
    "prompt": "A majestic eagle soaring through a mountain landscape at sunset",
    "sound": "on",
    "duration": "5",
    "mode": "pro",
    "cfg_scale": 0.5,
    "seed": 26,
}
BT709, LIMITED = 1, 1


def boxes(video: bytes) -> list[bytes]:
    """The names of the outermost boxes, in order."""
    found, at = [], 0
    while at < len(video):
        size, kind = struct.unpack_from(">I4s", video, at)
        found.append(kind)
        at += struct.unpack_from(">Q", video, at + 8)[0] if size == 1 else size or len(video)
    return found


def test_a_full_clip_is_what_it_says(data: Path, kernels: None) -> None:
    with serve(data) as server:
        record = server.ended(server.submit(ASK), within=180)
        assert record["status"] == "success", record
        outcome = record["outcome"]
        told = (outcome["width"], outcome["height"], outcome["fps"], outcome["duration"], outcome["sound"])
        assert told == (1920, 1080, 24.0, 5.0, True)
        assert (outcome["seed"], record["payload"]) == (26, ASK)
        video = server.fetch(outcome["video_url"]).content
        thumbnail = server.fetch(outcome["thumbnail_image_url"]).content
        preview = server.fetch(outcome["preview_url"]).content
    assert len(video) == outcome["file_size"]

    kinds = boxes(video)
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert kinds[-1] == b"uuid"
    for file in (video, preview, thumbnail):
        assert b"digitalsourcetype/algorithmicMedia" in file

    with av.open(io.BytesIO(video)) as clip:
        picture, sound = clip.streams.video[0], clip.streams.audio[0]
        context = picture.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height, picture.average_rate) == (1920, 1080, 24)
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert [int(tag) for tag in tags] == [BT709, BT709, BT709, LIMITED]
        assert (sound.codec_context.name, sound.codec_context.layout.name) == ("aac", "stereo")
        keyframes, brightness, count = [], [], 0
        loudest, samples = 0.0, 0
        for frame in clip.decode(picture, sound):
            if isinstance(frame, av.VideoFrame):
                keyframes += [count] if frame.key_frame else []
                if count % 24 == 0:
                    brightness.append(frame.reformat(64, 36, "gray").to_ndarray().astype(float))
                count += 1
            else:
                loudest = max(loudest, float(np.abs(frame.to_ndarray()).max()))
                samples += frame.samples
        assert count == 120
        assert max(np.diff([*keyframes, count])) <= 48
        assert abs(samples / sound.rate - 5.0) < 0.05
        assert 0.001 < loudest <= 1.0
    assert all(grey.std() > 5 for grey in brightness), "a blank picture"
    assert np.abs(brightness[0] - brightness[-1]).mean() > 0.5, "nothing moves"

    with Image.open(io.BytesIO(thumbnail)) as image:
        assert image.format == "JPEG"
        assert image.width / image.height == 16 / 9
    with av.open(io.BytesIO(preview)) as clip:
        assert not clip.streams.audio
        assert clip.streams.video[0].width < 1920
