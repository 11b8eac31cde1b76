"""The rows of the table, by the name that chooses them."""

from __future__ import annotations

from collections.abc import Callable

from bench import animatic
from bench.diffusing import diffusing
from bench.figures import Figure
from bench.line import claim, listing
from bench.making import encode, whole_job
from bench.resting import resting
from bench.serving import status, submit
from bench.starting import start

ROWS: dict[str, Callable[[], list[Figure]]] = {
    "status": status,
    "submit": submit,
    "start": start,
    "encode": encode,
    "claim": claim,
    "list": listing,
    "rest": resting,
    "diffusers": diffusing,
    "job": whole_job,
    "clips": animatic.clips,
    "photo": animatic.photo,
    "first": animatic.opening,
}
