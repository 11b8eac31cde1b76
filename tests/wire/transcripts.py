"""The vendors' pages as data: every request and response that a page shows, in `*.json` beside this file.

Values are the pages' own, but for the host and the key. A live test puts its own image in place of the sample's URL and
the id it was given in place of the sample's id; the codecs are replayed with the values as they stand. `table` is the
page's parameter table as it says it, errors included; `unreadable` are samples that no JSON reader takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rushes.dialects import base
from rushes.dialects.aimlapi import Aimlapi
from rushes.dialects.base import Dialect, Kind
from rushes.dialects.gmi import Gmi

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (Gmi(), Aimlapi())}
SAMPLE_ID = "550e8400-e29b-41d4-a716-446655440000"
SAMPLE_IMAGES = ("https://example.com/image.jpg", "https://example.com/reference-image.jpg")


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    method: str
    path: str
    query: dict[str, str] = {}
    body: dict[str, Any] | None = None

    @property
    def sent(self) -> bytes:
        return b"" if self.body is None else msgspec.json.encode(self.body)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`body` is None where the page shows no answer; else what must stand in ours, beside which more may stand."""

    status: int
    body: dict[str, Any] | None = None


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kind` names the call, `shot` the fields of the shot that a submission asks for."""

    name: str
    kind: str
    request: Ask
    response: Answer
    shot: dict[str, Any] = {}

    @property
    def call(self) -> Kind:
        kind: Kind = getattr(base, self.kind)
        return kind


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a page's parameter table."""

    name: str
    type: str
    required: bool
    default: str | float | None = None
    options: tuple[str, ...] = ()
    min_value: float | None = None
    max_value: float | None = None
    max_length: int | None = None
    step: float | None = None


class Transcript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    page: str
    dialect: str
    model: str
    statuses: tuple[str, ...]
    table: tuple[Row, ...]
    exchanges: tuple[Exchange, ...]
    unreadable: tuple[str, ...] = ()


def transcripts() -> list[Transcript]:
    files = sorted(Path(__file__).parent.glob("*.json"))
    return [msgspec.json.decode(file.read_bytes(), type=Transcript) for file in files]


def exchanges() -> list[tuple[Transcript, Exchange]]:
    return [(transcript, exchange) for transcript in transcripts() for exchange in transcript.exchanges]
