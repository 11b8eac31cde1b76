"""A large bird: round cones for the body, membranes for the wings, a beat that runs outwards through three joints."""

from __future__ import annotations

import math

from rushes.engines.animatic.creature.rig import Colour, Point, Rows
from rushes.engines.animatic.tables import colour

COAT: Colour = (0.075, 0.05, 0.034)
WING: Colour = (0.09, 0.06, 0.04)
TIP: Colour = (0.045, 0.032, 0.024)
HEAD: Colour = (0.72, 0.69, 0.63)
BEAK: Colour = (0.8, 0.42, 0.05)
ARM, FOREARM, HAND, CHORD = 0.48, 0.52, 0.64, 0.46
"""Wing lengths and width, in body units (a wing span is 3.3)."""
FEATHERS = 7


def bird(phase: float, effort: float, paint: str | None = None) -> Rows:
    """Rows of a bird flying forward; `phase` in beats, `effort` 0 (gliding) … 1 (climbing)."""
    beat = phase * 2 * math.pi
    coat, wing, tip, head = COAT, WING, TIP, HEAD
    if paint:
        base = colour(paint)
        coat = wing = (base[0] * 0.85, base[1] * 0.85, base[2] * 0.85)
        tip = (base[0] * 0.5, base[1] * 0.5, base[2] * 0.5)
        head = base
    rows = Rows()
    lift = 0.05 * effort * math.sin(beat + math.pi)
    tail = (-0.42, lift, 0.0)
    chest = (0.26, lift + 0.02, 0.0)
    rows.cone(tail, (0.0, lift, 0.0), 0.08, 0.15, coat)
    rows.cone((0.0, lift, 0.0), chest, 0.15, 0.125, coat)
    neck = (chest[0] + 0.13, chest[1] + 0.04, 0.0)
    rows.cone(chest, neck, 0.125, 0.085, coat)
    skull = (neck[0] + 0.09, neck[1] + 0.02, 0.0)
    rows.cone(neck, skull, 0.088, 0.09, head, 0.03)
    bill = (skull[0] + 0.16, skull[1] - 0.035, 0.0)
    rows.cone((skull[0] + 0.05, skull[1] - 0.012, 0.0), bill, 0.043, 0.02, BEAK, 0.015)
    rows.cone(bill, (bill[0] + 0.018, bill[1] - 0.04, 0.0), 0.02, 0.005, BEAK, 0.012)
    for side in (1.0, -1.0):
        rows.cone(
            (skull[0] + 0.045, skull[1] + 0.028, side * 0.07), (skull[0] + 0.05, skull[1] + 0.028, side * 0.074),
            0.018, 0.018, (0.02, 0.015, 0.01), 0.006,
        )  # fmt: skip
        _wing(rows, side, beat, effort, (0.2, lift + 0.07, side * 0.07), wing, tip)
    for feather in range(5):
        angle = (feather - 2) * 0.17
        end = (
            tail[0] - 0.42 * math.cos(angle), lift - 0.02 + 0.04 * effort * math.sin(beat - 1), 0.42 * math.sin(angle)
        )  # fmt: skip
        rows.membrane(
            (tail[0] + 0.1, tail[1], 0.0),
            end,
            (end[0] + 0.03, end[1], end[2] + 0.1),
            head if not paint else wing,
        )
    return rows


def _wing(
    rows: Rows, side: float, beat: float, effort: float, shoulder: Point, wing: Colour, tip: Colour
) -> None:
    swing = 0.14 + 0.44 * effort
    first = swing * math.sin(beat) + 0.17
    second = first * 0.6 + swing * 0.6 * math.sin(beat - 0.7)
    third = second * 0.6 + swing * 0.55 * math.sin(beat - 1.2) + 0.06

    def out(origin: Point, length: float, angle: float, ahead: float) -> Point:
        return (
            origin[0] + ahead, origin[1] + length * math.sin(angle), origin[2] + side * length * math.cos(angle)
        )  # fmt: skip

    def behind(origin: Point, chord: float) -> Point:
        return (origin[0] - chord, origin[1] - 0.03 * chord, origin[2])

    elbow = out(shoulder, ARM, first, 0.05)
    wrist = out(elbow, FOREARM, second, -0.02)
    roots = behind(shoulder, CHORD * 0.95), behind(elbow, CHORD * 1.05), behind(wrist, CHORD * 0.92)
    for a, b, c in (
        (shoulder, elbow, roots[1]), (shoulder, roots[1], roots[0]), (elbow, wrist, roots[2]), (elbow, roots[2], roots[1])
    ):  # fmt: skip
        rows.membrane(a, b, c, wing, 0.014, 0.05)
    for start, end in ((roots[0], roots[1]), (roots[1], roots[2])):
        for q in range(4):
            a = _between(start, end, q / 4)
            b = _between(start, end, min((q + 1.15) / 4, 1.0))
            edge = ((a[0] + b[0]) / 2 - 0.17, (a[1] + b[1]) / 2 - 0.01, (a[2] + b[2]) / 2 + side * 0.02)
            rows.membrane(
                (a[0] + 0.06, a[1], a[2]),
                (b[0] + 0.06, b[1], b[2]),
                edge,
                tip if q % 2 else wing,
                0.011,
                0.02,
            )
    rows.cone(shoulder, elbow, 0.045, 0.035, wing, 0.03)
    rows.cone(elbow, wrist, 0.035, 0.025, wing, 0.03)
    for feather in range(FEATHERS):
        u = feather / (FEATHERS - 1)
        length = HAND * (1 - 0.16 * u)
        root = (wrist[0] - CHORD * 0.9 * u, wrist[1] - 0.03 * u, wrist[2])
        inner = (wrist[0] - CHORD * 0.9 * (u + 0.14), wrist[1] - 0.03 * u, wrist[2] - side * 0.03)
        angle, sweep = third + 0.10 * (1 - u), -0.10 - 0.75 * u
        end = (
            root[0] + length * math.sin(sweep),
            root[1] + length * math.sin(angle) * math.cos(sweep),
            root[2] + side * length * math.cos(angle) * math.cos(sweep),
        )
        middle = _between(root, end, 0.55)
        rear = (middle[0] - 0.085, middle[1], middle[2])
        rows.membrane(root, middle, rear, tip, 0.010, 0.008)
        rows.membrane(root, rear, inner, tip, 0.010, 0.008)
        rows.membrane(middle, end, rear, tip, 0.008, 0.008)


def _between(a: Point, b: Point, u: float) -> Point:
    return (a[0] + (b[0] - a[0]) * u, a[1] + (b[1] - a[1]) * u, a[2] + (b[2] - a[2]) * u)
