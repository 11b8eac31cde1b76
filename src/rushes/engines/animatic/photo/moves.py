"""Camera moves for a photograph: the same rows of `data/camera.toml`, made small enough for one picture's worth of
space.

The clip begins as the whole photograph. A move that would show what lies beyond its edge enlarges it by just as much
as it has gone so far; only moves that end on the whole (out of it, zooming out) begin inside, and a tipped one stays there.
"""

from __future__ import annotations

import math

from rushes.engines.animatic.photo.warp import Shift
from rushes.engines.animatic.scene.path import Path, ease

PUSH = 0.09
"""What a move forward enlarges everything by, and `DOLLY` what it enlarges the nearest by besides."""
DOLLY = 0.16
TRUCK = 0.11
TURN = 0.13
LEAN = 0.21
"""Radians by which a photograph is tipped at most: its corners cost a third of it."""
HEADS = 0.2
"""Heights of the photograph that heads are above its middle."""


def shift_at(path: Path, t: float, strength: float, aspect: float, close: float = 0.0) -> Shift:
    """The warp of the path at time t of a photograph `aspect` as wide as high; `strength` 0…1 shrinks what depends on
    depth where that is unsure; `close` 0…1 says that somebody stands close by, so that a move into the picture keeps to
    the height of heads."""
    u = ease(t / path.seconds)
    k = strength
    forward = min(max(path.total("forward"), -1.2), 1.2)
    gone = forward * u if forward >= 0 else forward * (u - 1)
    zoom = math.prod(move.zoom for move in path.moves)
    zoomed = (
        1 + (min(max(zoom, 0.75), 1.35) - 1) * u if zoom >= 1 else 1 + (1 / max(zoom, 0.75) - 1) * (1 - u)
    )
    pan = path.total("yaw") * TURN * u
    tilt = path.total("rise") * TURN * u
    side = TRUCK * k * (path.total("right") * u + 1.2 * math.sin(path.total("orbit") * u))
    lift = -0.7 * TRUCK * k * path.total("up") * u
    shake = (path.total("shake") + 0.35 * path.total("sway")) * min(t / 0.6, 1.0)
    x = 0.0035 * shake * (math.sin(t * 2.1) + 0.7 * math.sin(t * 5.3 + 1))
    y = 0.003 * shake * (math.sin(t * 2.7 + 2) + 0.6 * math.sin(t * 6.1))
    lean = path.total("cant") + min(max(path.total("roll"), -LEAN), LEAN) * u
    lean = min(max(lean, -LEAN), LEAN)
    roll = 0.004 * path.total("shake") * min(t / 0.6, 1.0) * math.sin(t * 1.7)
    # What has been gone sideways and up is covered; unrest is covered for as far as it may go, or it would pump.
    across = abs(pan) + 0.65 * abs(side) + 0.006 * shake
    upright = (abs(tilt) + 0.65 * abs(lift) + 0.005 * shake) * aspect
    turned = 0.004 * path.total("shake") * min(t / 0.6, 1.0) * max(aspect, 1 / aspect)
    upended = math.cos(lean) + abs(math.sin(lean)) * max(aspect, 1 / aspect)
    margin = upended / (1 - 2 * max(across, upright, 0.0)) + turned
    # A zoom out takes back what a move in enlarges everything by; what is left is the stretching of a dolly zoom.
    inward = zoomed if forward > 0 and zoom < 1 else zoomed * (1 + PUSH * gone)
    return Shift(
        pan_x=pan + x,
        pan_y=-tilt + y - HEADS * close * (1 - 1 / inward) / aspect,
        x=side,
        y=lift,
        zoom=inward * margin,
        dolly=DOLLY * k * gone,
        roll=roll - lean,
    )
