"""How what flows in a photograph flows: clouds drift, water ripples and glints, a fall comes down.

Each kind says, for a grid of places in the photograph and a time, where the picture is to be taken from. At time 0 that
is where it is: the clip begins as the photograph.

Ripples are waves that travel over a plane in perspective towards the camera, so they shorten and calm with distance,
and those that the grid could not hold fade out. They move the picture up and down, as a slope moves what it reflects,
and make its bright places glint. A fall carries its picture down in two phases that take turns, and so do the clouds of
a time lapse, which go farther than a picture can be drawn out. Each phase ends where it weighs nothing, and at each
place at another time, so that there is neither a jump nor a beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane

DRIFT = 0.014
"""Widths that clouds drift in a second of breeze."""
FARTHEST = 0.085
"""Widths that they drift in one piece."""
FASTEST = 0.06
"""Widths that they drift in a second of a time lapse."""
WAVES = 16
SLOPE = 0.012
"""Heights by which a ripple of usual strength moves the picture where the surface is one height below its horizon."""
CYCLE = 1.1
"""Seconds for which one phase of a fall carries the picture."""
SPEED = 0.22
"""Heights that a fall comes down in a second."""


@dataclass(frozen=True)
class Step:
    """Where the picture at each place is taken from, `across` and `down` of there in shares of the photograph's width
    and height; how much its contrast grows (`glint`); and how much of it is the first phase's (`turn`, 0…1)."""

    across: Plane
    down: Plane
    glint: Plane | None = None
    turn: Plane | None = None


class Flow(Protocol):
    def step(self, u: Plane, v: Plane, t: float, phase: int) -> Step:
        """The step at the places `u`, `v` (h, w; 0…1 of the photograph) at `t` seconds. What has two phases is asked
        for each, 0 and 1, and has a `turn`; what has one takes no notice."""


class Clouds:
    """`wind` 1 is a breeze; over `seconds` they go no farther than `FARTHEST`, or they would fold where they slow down."""

    def __init__(self, wind: float, seconds: float) -> None:
        self._speed = np.float32(min(DRIFT * wind, FARTHEST / seconds))

    def step(self, u: Plane, v: Plane, t: float, phase: int) -> Step:
        return Step(np.full_like(u, -self._speed * np.float32(t)), np.zeros_like(v))


class Turns:
    """Two phases that take turns, each carrying the picture through `cycle` seconds; `blobs` (rows, columns) is how
    often across the photograph another place is at another point of it."""

    def __init__(self, cycle: float, blobs: tuple[int, int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._cycle = cycle
        self._late = cv2.resize(
            rng.random(blobs).astype(np.float32), (8 * blobs[1], 8 * blobs[0]), interpolation=cv2.INTER_CUBIC
        )

    def at(self, u: Plane, v: Plane, t: float, phase: int) -> tuple[Plane, Plane]:
        """How far the phase has come at each place, -0.5…0.5 of its cycle, and the share of the first one, 0…1."""
        h, w = self._late.shape
        late = cv2.remap(self._late, u * np.float32(w - 1), v * np.float32(h - 1), cv2.INTER_LINEAR)
        begun = np.float32(min(t / 0.8, 1.0))
        gone = (np.float32(t / self._cycle + 0.5 * phase) + late) % 1
        first = (gone if phase == 0 else gone + np.float32(0.5)) % 1
        return (gone - np.float32(0.5)) * begun, 1 - np.abs(2 * first - 1)


class Lapse:
    """Clouds of a time lapse. `wind` 1 is a breeze, many times that is usual here."""

    def __init__(self, wind: float, seed: int) -> None:
        self._way = np.float32(2 * FARTHEST)
        self._turns = Turns(2 * FARTHEST / min(DRIFT * wind, FASTEST), (3, 4), seed ^ 0xC10)

    def step(self, u: Plane, v: Plane, t: float, phase: int) -> Step:
        gone, turn = self._turns.at(u, v, t, phase)
        return Step(-self._way * gone, np.zeros_like(v), turn=turn)


class Ripples:
    """A surface whose `horizon` is a row of the photograph (0…1), `aspect` its width over its height, `length` how
    long its waves are (1 suits a lake), `strength` 1 those of a light breeze."""

    def __init__(self, horizon: float, aspect: float, length: float, strength: float, seed: int) -> None:
        rng = np.random.default_rng(seed ^ 0x5EA)
        self._horizon, self._aspect, self._strength = horizon, aspect, strength
        wave = length * np.geomspace(2.4, 0.1, WAVES) * rng.uniform(0.9, 1.1, WAVES)
        turn = rng.uniform(-0.9, 0.9, WAVES)
        k = 2 * np.pi / wave
        # Deep water: long waves run ahead of short ones.
        self._pace = 1.3 * np.sqrt(k / k[0])
        self._kx, self._kz = k * np.sin(turn), k * np.cos(turn)
        self._start = rng.uniform(0, 2 * np.pi, WAVES)
        self._height = rng.uniform(0.6, 1.0, WAVES) / np.sqrt(WAVES / 2)

    def step(self, u: Plane, v: Plane, t: float, phase: int) -> Step:
        near = np.maximum(v - np.float32(self._horizon), np.float32(0.012))
        away = 1 / near
        aside = (u - np.float32(0.5)) * np.float32(self._aspect) * away
        cell_v = np.abs(np.gradient(v, axis=0)) * away * away
        cell_u = np.abs(np.gradient(u, axis=1)) * np.float32(self._aspect) * away
        node = np.float32(0.03) / np.abs(np.gradient(v, axis=0)).mean()
        slope, lean = np.zeros_like(u), np.zeros_like(u)
        every = np.stack([self._kx, self._kz, self._pace, self._start, self._height], axis=1)
        for kx, kz, pace, start, height in every.tolist():
            # What turns by more than a third of a wave from node to node cannot be drawn; what hardly turns is a swell
            # that would bend the picture rather than ripple it.
            turn = np.float32(abs(kz)) * cell_v + np.float32(abs(kx)) * cell_u
            part = np.float32(height) * np.clip((np.float32(2.1) - turn) * np.float32(0.8), 0, 1)
            part *= np.minimum(turn * node, 1)
            angle = (
                np.float32(kx) * aside + np.float32(kz) * away + np.float32((start + pace * t) % (2 * np.pi))
            )
            along, up = cv2.polarToCart(part, angle)
            slope += up
            lean += along * np.float32(np.sign(kx))
        begun = np.float32(min(t / 0.8, 1.0)) ** 2
        reach = np.minimum(near, np.float32(0.7)) * np.float32(SLOPE * self._strength) * begun
        glint = slope * np.float32(0.45 * min(self._strength, 1.5)) * begun
        return Step(lean * reach * np.float32(0.6 / self._aspect), slope * reach, glint)


class Fall:
    def __init__(self, seed: int) -> None:
        self._turns = Turns(CYCLE, (24, 40), seed ^ 0xFA7)

    def step(self, u: Plane, v: Plane, t: float, phase: int) -> Step:
        gone, turn = self._turns.at(u, v, t, phase)
        return Step(np.zeros_like(u), -np.float32(SPEED * CYCLE) * gone, turn=turn)
