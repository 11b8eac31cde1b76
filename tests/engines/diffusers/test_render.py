"""What a loaded engine makes of a shot: exact clips, real causes, honest progress, clean ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from rushes.core.errors import BadOutput, Cancelled, EngineError, OutOfMemory, SetupError
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import FrameClip, Picture
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine, sizes
from rushes.engines.diffusers.preview import Preview
from tests.engines.diffusers.conftest import Studio

Loaded = Callable[..., DiffusersEngine]
SHOT = Shot(prompt="a lighthouse in the rain", seed=11, aspect_ratio="16:9")


def render(
    engine: DiffusersEngine, shot: Shot = SHOT, image: Picture | None = None, control: Any = None
) -> FrameClip:
    size = None if image is None else (image.shape[1], image.shape[0])
    return engine.render(shot, engine.plan(shot, size), image, control or Recorder(), Path())


def frames(
    engine: DiffusersEngine, shot: Shot = SHOT, image: Picture | None = None, control: Any = None
) -> np.ndarray:
    return np.stack(list(render(engine, shot, image, control).frames))


def changed(**fields: Any) -> Shot:
    return msgspec.structs.replace(SHOT, **fields)


def pipe_of(engine: DiffusersEngine) -> Any:
    return engine._loaded.text or engine._loaded.image


# -- exact clips ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wan21", "cogvideox", "ltx2"])
def test_a_clip_is_exactly_as_long_and_large_as_planned(loaded: Loaded, name: str) -> None:
    made = frames(loaded(name))
    assert made.shape == (10, 54, 96, 3)  # of 13 or 17 generated frames of 96×64
    assert made.std() > 1
    assert np.abs(np.diff(made.astype(int), axis=0)).mean() > 0, "it is frozen"


def test_ten_seconds_of_a_five_second_model_are_extended_from_the_last_frame(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = studio.loaded("ti2v")
    given: list[Any] = []
    call = type(engine._loaded.image).__call__

    def spy(pipe: Any, *args: Any, **kwargs: Any) -> Any:
        given.append(kwargs["image"])
        return call(pipe, *args, **kwargs)

    monkeypatch.setattr(type(engine._loaded.image), "__call__", spy)
    control = Recorder()
    clip = render(engine, changed(seconds=10), control=control)
    made = np.stack(list(clip.frames))
    assert len(made) == 20
    assert clip.report.details["parts"] == [13, 9]
    ((seam),) = clip.report.details["seams"]
    assert seam >= 0
    # the second part was given the last generated frame of the first, whole, not the cut one
    assert given[0].size == (96, 64)
    assert np.array_equal(np.asarray(given[0])[5:59], made[12])
    shares = [share for phase, share, _ in control.told if phase is Phase.RENDER]
    assert shares == sorted(shares)
    assert any("part 2 of 2" in word for _, _, word in control.told)


def test_a_seam_that_may_show_is_told(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rushes.engines.diffusers.pictures.SEAM_LIMIT", -1.0)
    clip = render(studio.loaded("ti2v", steps=1), changed(seconds=10))
    assert any("seam may show" in warning for warning in clip.report.warnings)


def test_sound_is_stereo_at_48_khz_and_ends_with_the_picture(loaded: Loaded) -> None:
    audio = render(loaded("ltx2"), changed(sound=True)).audio
    assert audio is not None
    assert audio.shape == (2, 5 * 48_000)
    assert audio.std() > 1e-3


def test_a_long_prompt_is_cut_and_the_client_is_told(loaded: Loaded) -> None:
    clip = render(loaded("wan21"), changed(prompt="word " * 100))
    (warning,) = clip.report.warnings
    assert warning == "the prompt has 501 tokens: the model read the first 64"


# -- real causes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wan22-image", "ti2v", "ltx2"])
def test_the_model_sees_the_image_cut_to_size_not_stretched(
    studio: Studio, name: str, photo: Picture
) -> None:
    engine = studio.loaded(name, steps=1)
    vae, seen = engine._loaded.components()["vae"], []
    encode = vae.encode

    def spy(pixels: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(pixels.clone())
        return encode(pixels, *args, **kwargs)

    vae.encode = spy
    frames(engine, image=photo)
    first = ((seen[0][0, :, 0].permute(1, 2, 0) + 1) * 127.5).numpy()
    assert first.shape == (64, 96, 3)
    # 200×120 scaled by 64/120 is 107 wide; the middle 96 remain
    across = np.linspace((200 - 96 * 120 / 64) / 2, 200 - (200 - 96 * 120 / 64) / 2, 97)[:-1]
    limit = 12 if name == "ltx2" else 3  # LTX compresses its image first, as it was trained to
    assert np.abs(first[32, :, 1] - across).mean() < limit
    assert np.abs(first[:, 48, 0] - np.arange(64) * 120 / 64 * 2).mean() < limit


def test_the_same_seed_is_the_same_clip_and_the_next_is_another(loaded: Loaded) -> None:
    engine = loaded("wan22-text")
    first = frames(engine)
    assert np.array_equal(first, frames(engine))
    assert not np.array_equal(first, frames(engine, changed(seed=12)))


def test_both_experts_work(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, worked = pipe_of(loaded("wan22-text")), []
    for name in ("transformer", "transformer_2"):
        model = getattr(pipe, name)
        model.register_forward_pre_hook(lambda *_, name=name: worked.append(name))
    frames(loaded("wan22-text"))
    assert set(worked) == {"transformer", "transformer_2"}


def test_a_guider_takes_the_guidance_and_the_negative_prompt(studio: Studio) -> None:
    """HunyuanVideo 1.5 knows no scale in its call, keeps a guider instead, and has no callback to its steps."""
    engine, control = studio.loaded("hunyuan15", steps=1, clip={"fps": 1}), Recorder()
    first = frames(engine, control=control)
    assert first.shape == (5, 54, 96, 3)
    assert [word.split(",")[0] for _, _, word in control.told][-2:] == ["denoising 1/1", "decoding"]
    for shot in (changed(cfg_scale=1.0), changed(negative_prompt="rain"), changed(prompt='a "LIGHT" house')):
        assert not np.array_equal(first, frames(engine, shot))
    with pytest.raises(Cancelled):
        frames(engine, control=Recorder(patience=3))
    assert np.array_equal(first, frames(engine))


# -- progress, preview ---------------------------------------------------------------------------------------------------


def test_progress_names_every_stage_and_step_in_order(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.engines.diffusers.guard.ALIVE", 1e9)  # however slow this machine is
    control = Recorder()
    frames(loaded("wan22-image"), image=np.full((60, 90, 3), 128, np.uint8), control=control)
    words = [word.split(",")[0] for _, _, word in control.told]
    assert words == [
        "starting",
        "reading the prompt",
        "reading the image",
        *(f"denoising {step}/3" for step in range(4)),
        "decoding",
    ]
    shares = [share for _, share, _ in control.told]
    assert shares == sorted(shares)


def test_a_long_step_says_that_it_is_at_work(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rushes.engines.diffusers.guard.ALIVE", 0.0)
    control = Recorder()
    frames(loaded("wan21"), control=control)
    during = [word for _, _, word in control.told if word.startswith("denoising 1/3")]
    assert len(during) > 2, "each block of the second step"


@pytest.mark.parametrize("name", ["wan21", "ti2v", "ltx2", "cogvideox", "kandinsky6"])
def test_a_preview_is_a_small_picture_in_the_clips_shape(loaded: Loaded, name: str) -> None:
    control = Recorder()
    frames(loaded(name), control=control)
    assert control.previews
    for picture in control.previews:
        assert picture.dtype == np.uint8
        height, width, channels = picture.shape
        assert channels == 3
        assert width / height == pytest.approx(96 / 64)
        assert max(width, height) <= 512


class LinearVae:
    """Four latent channels that mix the mean colour of each 8×8 block: what the map is fitted to, exactly."""

    dtype = torch.float32

    def __init__(self) -> None:
        self.mix = torch.tensor([[1.0, 0.5, -0.2], [0.1, -1.0, 0.3], [0.4, 0.2, 0.9], [-0.3, 0.6, 0.1]])
        self.config = {"scaling_factor": 0.5}

    def named_buffers(self) -> list[Any]:
        return []

    def encode(self, pixels: torch.Tensor) -> Any:
        blocks = torch.nn.functional.avg_pool2d(pixels[:, :, 0], 8)
        return SimpleNamespace(latents=torch.einsum("kc,bchw->bkhw", self.mix, blocks)[:, :, None])


def test_the_preview_of_a_known_picture_has_its_colours() -> None:
    vae = LinearVae()
    preview = Preview(SimpleNamespace(vae=vae, scheduler=None, vae_scale_factor_spatial=8), "cpu")
    pixels = torch.full((1, 3, 1, 64, 96), -1.0)
    pixels[:, 0, :, :, :48] = 1.0
    pixels[:, 2, :, :, 48:] = 1.0
    picture = preview.picture(vae.encode(pixels).latents * 0.5, (1, 8, 12))
    assert picture is not None
    assert picture.shape == (336, 504, 3)
    middle = len(picture) // 2
    assert np.abs(picture[middle, 40].astype(int) - (255, 0, 0)).max() < 12
    assert np.abs(picture[middle, -40].astype(int) - (0, 0, 255)).max() < 12


def test_the_first_estimate_is_by_formula_and_the_next_by_history(studio: Studio) -> None:
    engine = studio.loaded("wan21", name="tiny-history")
    schedule = sizes.schedule(engine.recipe, engine.plan(SHOT, None))
    key = engine._key(schedule)
    assert engine._history.get(key) is None
    assert engine.first_estimate(schedule).step > 0
    took = render(engine).report.details["seconds_per_step"]
    known = engine._history.get(key)
    assert known is not None
    assert known.step == pytest.approx(took, abs=1e-4)


# -- stopping ------------------------------------------------------------------------------------------------------------


class Stops(Recorder):
    """Cancelled once `stopped` is set."""

    stopped = False

    @property
    def cancelled(self) -> bool:
        return self.stopped


def work_after(control: Recorder, pipe: Any) -> list[str]:
    """Filled with the name of each module of the pipeline that begins to work once `control` is cancelled."""
    begun: list[str] = []

    def told(name: str) -> Any:
        return lambda *_: begun.append(name) if control.cancelled else None

    for part, component in pipe.components.items():
        if isinstance(component, torch.nn.Module):
            for name, module in component.named_modules():
                module.register_forward_pre_hook(told(f"{part}.{name}"))
    return begun


@pytest.mark.parametrize("name", ["wan21", "wan22-image", "ltx2", "cogvideox"])
def test_a_cancel_ends_with_the_block_it_fell_into_and_the_next_clip_is_as_from_a_fresh_engine(
    studio: Studio, name: str, photo: Picture
) -> None:
    image = photo if name == "wan22-image" else None
    engine, control = studio.loaded(name), Stops()
    fresh = frames(engine, image=image)
    pipe, passes = pipe_of(engine), []
    blocks = "blocks" if hasattr(pipe.transformer, "blocks") else "transformer_blocks"

    def in_the_second_pass(*_: Any) -> None:
        passes.append(1)
        control.stopped = len(passes) > 1

    getattr(pipe.transformer, blocks)[0].register_forward_pre_hook(in_the_second_pass)
    begun = work_after(control, pipe)
    with pytest.raises(Cancelled):
        frames(engine, image=image, control=control)
    assert len(passes) == 2, "the step went on"
    assert begun, "the block was not begun"
    assert {module.split(".")[:3] == ["transformer", blocks, "0"] for module in begun} == {True}, begun
    assert np.array_equal(fresh, frames(engine, image=image))


def test_a_cancel_is_obeyed_in_every_component(studio: Studio) -> None:
    engine = studio.loaded("wan21")
    pipe = pipe_of(engine)
    for component in (pipe.text_encoder, pipe.vae.decoder):
        control = Stops()
        hook = component.register_forward_pre_hook(
            lambda *_, control=control: setattr(control, "stopped", True)
        )
        begun = work_after(control, pipe)
        with pytest.raises(Cancelled):
            frames(engine, control=control)
        hook.remove()
        assert begun, "nothing of it was begun"
        assert not [name for name in begun if "block" in name]


def test_a_compiled_model_is_stopped_and_started_like_any_other(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import WanTransformer3DModel

    def compile_eagerly(model: Any, **_: Any) -> None:
        for block in model.blocks:
            block.compile(backend="eager", fullgraph=True)

    monkeypatch.setattr(WanTransformer3DModel, "compile_repeated_blocks", compile_eagerly)
    engine = studio.loaded("wan21", levers={"compile": True})
    first, control = frames(engine), Recorder(patience=4)
    with pytest.raises(Cancelled):
        frames(engine, control=control)
    assert np.array_equal(first, frames(engine))
    assert np.abs(first.astype(int) - frames(studio.loaded("wan21")).astype(int)).max() <= 1


def test_mag_cache_skips_steps_and_leaves_nothing_to_the_next_job(studio: Studio) -> None:
    engine = studio.loaded("wan21", steps=10, levers={"mag_cache": 0.06, "mag_ratios": [1.0] * 10})
    computed: list[int] = []
    pipe_of(engine).transformer.blocks[1].attn1.register_forward_pre_hook(lambda *_: computed.append(1))
    first = frames(engine)
    assert len(computed) == 2 * (2 + 2), "the first two steps, and of the rest every fourth"
    with pytest.raises(Cancelled):
        frames(engine, control=Recorder(patience=7))
    assert np.array_equal(first, frames(engine))
    with pytest.raises(SetupError, match="mag_cache is for models of one transformer"):
        studio.loaded("wan22-text", levers={"mag_cache": 0.06, "mag_ratios": [1.0]})


# -- failing -------------------------------------------------------------------------------------------------------------


def fail_decode(engine: DiffusersEngine, times: int) -> list[bool]:
    """Let the VAE's decoder run out of memory `times` times; the list says whether it was tiling then."""
    vae, failed = pipe_of(engine).vae, []

    def fail(*_: Any) -> None:
        if len(failed) < times:
            failed.append(bool(vae.use_tiling))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    vae.decoder.register_forward_pre_hook(fail)
    return failed


def test_out_of_memory_is_answered_once_by_the_next_placement(studio: Studio) -> None:
    engine = studio.loaded("wan21")
    tiling = fail_decode(engine, times=1)
    clip = render(engine)
    assert tiling == [False]
    assert pipe_of(engine).vae.use_tiling
    assert clip.report.details["placement"] == "resident + tiling"
    assert len(list(clip.frames)) == 10


def test_out_of_memory_twice_says_what_would_fit(studio: Studio) -> None:
    engine = studio.loaded("wan21", clip={"sizes": {"16:9": [192, 108]}}, steps=1)
    assert fail_decode(engine, times=2) == []
    with pytest.raises(OutOfMemory) as caught:
        render(engine)
    assert str(caught.value) == (
        "out of memory while decoding 5 s at 192×108 (resident + tiling); 5 s at 128×72 takes at most half of it"
    )
    assert len(frames(engine)) == 10, "the engine is of use afterwards"


def test_values_that_are_not_finite_are_refused(studio: Studio) -> None:
    engine = studio.loaded("wan21")
    vae = pipe_of(engine).vae
    decode = vae.decode

    def broken(*args: Any, **kwargs: Any) -> Any:
        (video,) = decode(*args, **kwargs)
        video[0, :, 7, 20, 20] = float("nan")
        return (video,)

    vae.decode = broken
    with pytest.raises(BadOutput, match=r"frames 0 to 7 hold values that are not finite"):
        render(engine)


def test_a_model_that_makes_another_size_is_refused(studio: Studio) -> None:
    """CogVideoX decodes latents in pairs: told 4k + 1 frames, it makes others."""
    engine = studio.loaded("cogvideox", clip={"frame_step": 4, "fps": 4}, steps=1)
    with pytest.raises(BadOutput, match=r"made a tensor \(24, 3, 64, 96\) where \(21, "):
        render(engine)


@pytest.mark.parametrize(
    ("name", "shot", "needs_image", "words"),
    [
        ("wan22-image", SHOT, False, "needs an image"),
        ("wan21", SHOT, True, "takes no image"),
        ("wan21", changed(sound=True), False, "makes no sound"),
        ("wan21", changed(seconds=10), False, "makes at most 5 s, not 10 s"),
    ],
)
def test_what_the_model_cannot_do_is_refused_at_once(
    loaded: Loaded, name: str, shot: Shot, needs_image: bool, words: str, photo: Picture
) -> None:
    with pytest.raises(EngineError, match=words):
        render(loaded(name), shot, photo if needs_image else None)
