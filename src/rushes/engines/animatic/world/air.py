"""The air of a scene: everything the sky's kernel needs, packed into one float32 vector.

Colours are linear light. Directions are unit vectors (x right, y up, z away from the first camera).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rushes.engines.animatic.runtime import Plane

Colour = tuple[float, float, float]

# Places of the packed vector. A colour or direction takes three.
ZENITH, HORIZON, GLOW_COLOUR, WARM, SUN = 0, 3, 6, 9, 12
FALLOFF, HAZE, GLOW, HALO, CORE = 15, 16, 17, 18, 19
DISC_COS, DISC_EDGE, DISC = 20, 21, 22
COVER, SOFT, SCALE, DRIFT_X, DRIFT_Z, LIT, SHADE = 25, 26, 27, 28, 29, 30, 33
AURORA, VEIL = 36, 37
SIZE = 40


@dataclass(frozen=True)
class Air:
    """Light and clouds at one moment.

    `sun` is the direction of the key light (the moon's at night), `sunlight` its colour times strength on a surface,
    `ambient` what comes from everywhere else, `fog` the extinction per metre, `cover` 0…1 how much of the sky is cloud,
    `veil` 0…1 how much of the sky the fog hides.
    """

    sun: tuple[float, float, float]
    zenith: Colour
    horizon: Colour
    glow_colour: Colour
    warm: Colour
    sunlight: Colour
    ambient: Colour
    cloud_lit: Colour
    cloud_shade: Colour
    falloff: float = 3.4
    haze: float = 6.0
    glow: float = 0.5
    halo: float = 0.8
    core: float = 3.0
    disc: float = 12.0
    disc_radius: float = 1.4
    cover: float = 0.45
    soft: float = 0.22
    cloud_scale: float = 0.16
    drift: tuple[float, float] = (0.003, 0.0015)
    fog: float = 1 / 9000
    stars: float = 0.0
    moon: bool = False
    aurora: float = 0.0
    veil: float = 0.0

    def packed(self) -> Plane:
        v = np.zeros(SIZE, np.float32)
        for place, colour in (
            (ZENITH, self.zenith),
            (HORIZON, self.horizon),
            (GLOW_COLOUR, self.glow_colour),
            (WARM, self.warm),
            (SUN, self.sun),
            (LIT, self.cloud_lit),
            (SHADE, self.cloud_shade),
        ):
            v[place : place + 3] = colour
        v[FALLOFF], v[HAZE], v[GLOW], v[HALO], v[CORE] = (
            self.falloff,
            self.haze,
            self.glow,
            self.halo,
            self.core,
        )
        radius = np.radians(self.disc_radius)
        v[DISC_COS] = np.cos(radius)
        v[DISC_EDGE] = 1 - np.cos(radius * 0.6)
        # At night the moon is painted at full size by `moon.py`, so the sky's own disc is out.
        v[DISC : DISC + 3] = np.asarray(self.glow_colour) * (0.0 if self.moon else self.disc)
        v[COVER], v[SOFT], v[SCALE] = self.cover, self.soft, self.cloud_scale
        v[DRIFT_X], v[DRIFT_Z] = self.drift
        v[AURORA], v[VEIL] = self.aurora, self.veil
        return v
