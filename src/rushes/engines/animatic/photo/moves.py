"""Camera moves for a photograph: the same rows of `data/camera.toml`, made small enough for one picture's worth of
space."""

from __future__ import annotations

import math

from rushes.engines.animatic.photo.warp import Shift
from rushes.engines.animatic.scene.path import Path, ease

DOLLY = 0.16
TRUCK = 0.055
TURN = 0.07


def shift_at(path: Path, t: float, strength: float) -> Shift:
    """The warp of the path at time t; `strength` 0…1 shrinks it where depth is unsure."""
    u = ease(t / path.seconds)
    middle = u - 0.5
    k = strength
    forward = path.total("forward")
    dolly = DOLLY * k * forward * (u if forward >= 0 else u - 1) if forward else 0.0
    zoom = math.prod(move.zoom for move in path.moves)
    zoomed = (
        1 + (min(max(zoom, 0.75), 1.35) - 1) * u if zoom >= 1 else 1 + (1 / max(zoom, 0.75) - 1) * (1 - u)
    )
    pan = path.total("yaw") * TURN * middle
    tilt = path.total("rise") * TURN * middle
    side = TRUCK * k * (path.total("right") * middle + 1.2 * math.sin(path.total("orbit") * middle))
    lift = -TRUCK * k * path.total("up") * middle
    shake = path.total("shake") + 0.35 * path.total("sway")
    x = 0.0035 * shake * (math.sin(t * 2.1) + 0.7 * math.sin(t * 5.3 + 1))
    y = 0.003 * shake * (math.sin(t * 2.7 + 2) + 0.6 * math.sin(t * 6.1))
    # Room at the edges for what the move may show: enlarged just as much as it needs.
    reach = abs(path.total("yaw")) * TURN * 0.5 + abs(path.total("rise")) * TURN * 0.5
    reach += (
        TRUCK
        * k
        * 0.65
        * (abs(path.total("right")) * 0.5 + abs(path.total("orbit")) * 0.6 + abs(path.total("up")) * 0.5)
    )
    reach += 0.012 * shake
    margin = 1.012 + 2 * reach
    roll = 0.004 * path.total("shake") * math.sin(t * 1.7)
    return Shift(pan_x=pan + x, pan_y=-tilt + y, x=side, y=lift, zoom=zoomed * margin, dolly=dolly, roll=roll)
