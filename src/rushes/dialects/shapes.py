"""What a dialect's bodies look like, as JSON Schema: for the OpenAPI page, and for tests that hold answers against it.

Schemas of answers are made from the very structs that the codec encodes; of what a client sends, the payload comes
from the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rushes.dialects.base import MAX_WAIT, Kind

Schema = dict[str, Any]


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
        [*(replies[kind] for kind in kinds), error], ref_template=f"#/components/schemas/{prefix}.{{name}}"
    )
    return Shapes(
        bodies=bodies,
        queries=queries,
        replies=dict(zip(kinds, schemas[:-1], strict=True)),
        error=schemas[-1],
        components={f"{prefix}.{name}": schema for name, schema in components.items()},
    )


def query(name: str, description: str, schema: Schema, *, required: bool = False) -> Schema:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "required": required,
        "schema": schema,
    }


WAIT = query(
    "wait",
    "Seconds that the answer may wait for the request's end.",
    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT},
)
