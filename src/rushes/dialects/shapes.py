"""What a dialect's bodies look like, as JSON Schema: for the OpenAPI page, and for tests that hold answers against it.

Schemas of answers are made from the very structs that the codec encodes; of what a client sends, the payload comes
from the card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rushes.core.card import Card
from rushes.core.patterns import whole
from rushes.core.request import ID
from rushes.core.schema import Schema
from rushes.dialects.base import MAX_WAIT, Kind


class Shapes(msgspec.Struct, frozen=True, kw_only=True):
    """`bodies` and `queries` (OpenAPI parameters) of calls, `replies` by call, the one `error`, and the `components`
    that they refer to."""

    bodies: Mapping[Kind, Schema]
    queries: Mapping[Kind, list[Schema]]
    replies: Mapping[Kind, Schema]
    error: Schema
    components: Mapping[str, Schema]


def shapes_of(
    prefix: str,
    *,
    bodies: Mapping[Kind, Schema],
    queries: Mapping[Kind, list[Schema]],
    replies: Mapping[Kind, type],
    error: type,
) -> Shapes:
    """`prefix` keeps the components of two dialects apart."""
    kinds = list(replies)
    schemas, components = msgspec.json.schema_components(
        [*(replies[kind] for kind in kinds), error], ref_template=_reference(f"{prefix}.{{name}}")
    )
    asked = {kind: f"{prefix}.{kind.__name__}Call" for kind in bodies}
    return Shapes(
        bodies={kind: {"$ref": _reference(name)} for kind, name in asked.items()},
        queries=queries,
        replies=dict(zip(kinds, schemas[:-1], strict=True)),
        error=schemas[-1],
        components={f"{prefix}.{name}": schema for name, schema in components.items()}
        | {asked[kind]: schema for kind, schema in bodies.items()},
    )


def _reference(name: str) -> str:
    return f"#/components/schemas/{name}"


def ids_of(cards: Iterable[Card]) -> Schema:
    """The ids of models as they are documented; any case is understood."""
    return {"type": "string", "enum": [name for card in cards for name in (card.id, *card.aliases)]}


def query(name: str, description: str, schema: Schema, *, required: bool = False) -> Schema:
    """One that is not required may be empty, which says nothing."""
    row = {"name": name, "in": "query", "description": description, "required": required, "schema": schema}
    if not required:
        row |= {"allowEmptyValue": True, "schema": {"anyOf": [schema, {"const": ""}]}}
    return row


REQUEST_ID: Schema = {
    "type": "string",
    "pattern": whole(ID),
    "examples": ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff"],
}

WAIT = query(
    "wait",
    "Seconds that the answer may wait for the request's end.",
    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT},
)
