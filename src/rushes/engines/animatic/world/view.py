"""The camera as kernels see it: a shift-lens perspective, so verticals stay upright and the horizon is one row.

A ray of pixel (i, j) is `((i + ½ - W/2) / f, (horizon - j - ½) / f, 1)` turned by the yaw. Looking up or down moves
the horizon instead of tipping the camera; roll is applied to the finished picture by `post`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rushes.engines.animatic.runtime import Plane

EYE, COS, SIN, FOCAL, HORIZON_ROW = 0, 3, 4, 5, 6


@dataclass(frozen=True)
class Pose:
    """Where the camera is (metres) and how it looks: `yaw` in radians to the right, `rise` the tangent by which it
    looks up, `zoom` the focal length in short sides of the picture, `roll` in radians clockwise."""

    x: float
    y: float
    z: float
    yaw: float = 0.0
    rise: float = 0.0
    zoom: float = 1.1
    roll: float = 0.0

    def packed(self, width: int, height: int) -> Plane:
        focal = self.zoom * min(width, height)
        return np.array(
            [
                self.x, self.y, self.z, math.cos(self.yaw), math.sin(self.yaw), focal,
                height * 0.5 + self.rise * focal, 0.0,
            ],
            np.float32,
        )  # fmt: skip

    def project(self, points: Plane, width: int, height: int) -> Plane:
        """World points (n, 3) → (n, 3): column, row, and distance along the axis (≤ 0 is behind the camera)."""
        focal = self.zoom * min(width, height)
        d = points - np.array([self.x, self.y, self.z], np.float32)
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x = d[:, 0] * c - d[:, 2] * s
        z = d[:, 0] * s + d[:, 2] * c
        safe = np.where(z > 1e-3, z, 1e-3)
        row = height * 0.5 + self.rise * focal - d[:, 1] / safe * focal
        return np.stack([width * 0.5 + x / safe * focal, row, z], axis=1).astype(np.float32)


@dataclass
class Canvas:
    """The picture in the making: `light` (H, W, 4) is linear RGB and the distance along the axis in metres, `sky`
    (H/2, W/2, 4) the sky alone with its transparency to stars, `dome` (D, D, 4) the whole upper hemisphere."""

    light: Plane
    sky: Plane
    dome: Plane

    @classmethod
    def of(cls, width: int, height: int, dome: int = 128) -> Canvas:
        return cls(
            light=np.zeros((height, width, 4), np.float32),
            sky=np.zeros(((height + 1) // 2, (width + 1) // 2, 4), np.float32),
            dome=np.zeros((dome, dome, 4), np.float32),
        )

    @property
    def width(self) -> int:
        return int(self.light.shape[1])

    @property
    def height(self) -> int:
        return int(self.light.shape[0])
