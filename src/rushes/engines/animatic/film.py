"""From a scene to pictures: the order in which things are drawn.

    sky → layers of the place → subjects → bloom → print → what falls in front of the lens

A frame depends on its number alone, never on the frames before it; so several are drawn at once (`ahead`).
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.animatic import cache
from rushes.engines.animatic.post.bloom import bloom
from rushes.engines.animatic.post.falling import Falling
from rushes.engines.animatic.post.focus import soften
from rushes.engines.animatic.post.splat import splat
from rushes.engines.animatic.post.tone import Print
from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.runtime import FOLDER, Bytes
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.scene.graph import Scene
from rushes.engines.animatic.sound.mix import mix
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.warm import warm_up
from rushes.engines.animatic.world.layers import build, open_rooms
from rushes.engines.animatic.world.lightning import Lightning
from rushes.engines.animatic.world.sky import Sky
from rushes.engines.animatic.world.stars import Stars
from rushes.engines.animatic.world.view import Canvas, Pose
from rushes.engines.base import Control, Picture, Plan, Report, Samples

if TYPE_CHECKING:
    from rushes.engines.animatic.creature.stage import Troupe


class Film(Protocol):
    """A clip that can be drawn frame by frame, in any order, and several of them at once."""

    report: Report

    def frame(self, number: int) -> Picture: ...

    def sound(self) -> Samples: ...


def film(shot: Shot, plan: Plan, image: Picture | None, size: tuple[int, int], control: Control) -> Film:
    """The film of a shot, drawn at `size` and delivered at the plan's."""
    scene, brief = compose(shot, plan.width, plan.height)
    control.check()
    cache.touch(FOLDER)
    if image is None:
        open_rooms(scene)
        if scene.subjects:
            import rushes.engines.animatic.creature.stage  # noqa: F401
    warm_up(control)
    if image is not None:
        from rushes.engines.animatic.photo.film import PhotoFilm

        return PhotoFilm(image, scene, brief, plan, control)
    control.progress(Phase.RENDER, 0.0, "building the place")
    return SceneFilm(scene, brief, plan, size, control)


def report_of(scene: Scene, brief: Brief, warnings: tuple[str, ...] = ()) -> Report:
    """The honest account: what was understood, what of it cannot be drawn, and what was not understood."""
    if not brief.understood:
        warnings = ("Nothing in the prompt was understood; the scene is the engine's own choice.", *warnings)
    undrawn = tuple(dict.fromkeys((*brief.undrawn, *elsewhere(scene, brief))))
    if undrawn:
        warnings = (*warnings, f"Understood, but this engine cannot draw it yet: {', '.join(undrawn)}.")
    return Report(
        understood=brief.understood,
        ignored=brief.ignored,
        warnings=warnings,
        details={**scene.details, "not_drawn": list(undrawn)},
    )


def elsewhere(scene: Scene, brief: Brief) -> tuple[str, ...]:
    """Words for what is not seen where the scene is: other places, for a picture is of one; and bodies that have no water
    there."""
    cast = {subject.kind for subject in scene.subjects} | brief.without
    bodies = tuple(wish.word for wish in brief.subjects if wish.kind not in cast)
    here = {f"place:{name}" for name in (scene.place, *scene.ground.get("shows", ()))}
    return bodies + tuple(
        said for said, kind in brief.readings if kind.startswith("place:") and kind not in here
    )


class SceneFilm:
    """A rendered scene."""

    def __init__(
        self, scene: Scene, brief: Brief, plan: Plan, size: tuple[int, int], control: Control
    ) -> None:
        self.scene = scene
        self.plan = plan
        self.report = report_of(scene, brief)
        self._size = size
        self._spare: deque[tuple[Canvas, Print]] = deque()
        tint = colour(scene.ground.get("haze_tint", "#ffffff"))
        # Each place has a sky of its own, also where the seed is the same.
        clouds = scene.seed ^ zlib.crc32(scene.place.encode())
        self._sky = Sky(scene.air, clouds, tint, float(scene.ground.get("veil", 0.0)), scene.later)
        self._layers, ground = build(scene, size[1], control)
        self._troupe: Troupe | None = None
        if scene.subjects:
            from rushes.engines.animatic.creature.stage import Troupe

            self._troupe = Troupe(scene, self._pose(scene.seconds / 2), size[0] / min(size), ground)
        self._stars = Stars(scene.air, scene.seed)
        self._lightning = Lightning(
            scene.weather.lightning,
            scene.seconds,
            scene.seed,
            float(np.mean(scene.air.horizon)),
            scene.grade.exposure,
        )
        self._falling = Falling(
            scene.weather, scene.air, scene.grade.exposure, min(1.0, 12 / scene.path.travel), scene.seed
        )
        control.check()

    def frame(self, number: int) -> Picture:
        # As many canvases as pictures are being drawn at once.
        try:
            canvas, printed = self._spare.pop()
        except IndexError:
            canvas, printed = self._canvas()
        picture = self._draw(number, canvas, printed)
        self._spare.append((canvas, printed))
        return picture

    def _canvas(self) -> tuple[Canvas, Print]:
        size = (self.plan.width, self.plan.height)
        return Canvas.of(*self._size), Print(*self._size, size, self.scene.grade, self.scene.seed)

    def _draw(self, number: int, canvas: Canvas, printed: Print) -> Picture:
        scene = self.scene
        clock = number / self.plan.fps
        pose, t, gone = self._pose(clock), clock * scene.pace, clock / scene.seconds
        self._sky.draw(canvas, pose, clock * scene.sky_pace, gone)
        self._stars.moon(canvas, pose)
        haze = self._sky.haze(canvas, pose)
        for layer in self._layers:
            layer.draw(canvas, pose, t, haze)
        if self._troupe:
            self._troupe.draw(canvas, pose, t, haze)
        if blur := scene.path.total("blur"):
            soften(canvas.light, float(scene.ground.get("focus", 2.6 * scene.path.base.y)), blur)
        self._lightning.light(canvas, clock)
        sun = self._sun(canvas, pose, gone)
        # Rays reach into the picture from a sun just outside it, not from one far away.
        inside = (
            0.0 if sun is None else float(np.clip(1.6 - 2 * max(abs(sun[0] - 0.5), abs(sun[1] - 0.5)), 0, 1))
        )
        glow = bloom(canvas.light, scene.bloom, 1.15, sun, scene.rays * inside)
        dims = 1 + (scene.dims - 1) * gone
        picture: Bytes = printed(canvas.light, glow, pose.roll, number, dims)
        width, height = self.plan.width, self.plan.height
        splat(picture, width, height, self._stars.points(canvas, pose, t, width, height))
        horizon = 0.5 + pose.rise * pose.zoom * min(width, height) / height
        splat(
            picture,
            width,
            height,
            self._lightning.items(canvas, clock, width, height, float(np.clip(horizon, 0.1, 1))),
        )
        splat(picture, width, height, self._falling.items(pose, t, width, height))
        return picture.reshape(height * 3 // 2, width)

    def _pose(self, clock: float) -> Pose:
        """The camera after `clock` seconds, where the place lets it be."""
        pose = self.scene.path.pose(clock)
        for layer in self._layers:
            pose = layer.guide(pose)
        return pose

    def sound(self) -> Samples:
        return mix(self.scene.sounds, self.scene.seconds, self.scene.seed)

    def _sun(self, canvas: Canvas, pose: Pose, gone: float) -> tuple[float, float] | None:
        """Where the sun stands in the picture (0…1), or None when it is behind the camera."""
        far = np.array([self._sky.sun(gone)], np.float32) * 1e5
        far += np.array([[pose.x, pose.y, pose.z]], np.float32)
        x, y, z = pose.project(far, canvas.width, canvas.height)[0]
        return (float(x) / canvas.width, float(y) / canvas.height) if z > 0 else None
