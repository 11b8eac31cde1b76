"""The page that describes the routes: valid, whole, and true of what the server answers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rushes.wiring.serve import DIALECTS
from tests.cards import ALL
from tests.server.site import GMI, Account, Site


@pytest.fixture
def document(site: Site) -> dict[str, Any]:
    answer = site.client.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return dict(answer.json())


def test_health_needs_no_key(site: Site) -> None:
    answer = site.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_route_stands_there(document: dict[str, Any]) -> None:
    routes = {
        (route.method.lower(), route.path.replace(":path}", "}"))
        for dialect in DIALECTS
        for route in dialect.routes
    }
    assert routes == operations(document).keys()


def test_it_is_a_whole_document(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    assert set(document["info"]) >= {"title", "version"}
    found = operations(document)
    ids = [operation["operationId"] for operation in found.values()]
    assert len(ids) == len(set(ids))
    for (_, path), operation in found.items():
        named = {row["name"] for row in operation["parameters"] if row["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert "200" in operation["responses"]
        assert all("schema" in row for row in operation["parameters"])
    for reference in references(document):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in document["components"]["schemas"]
    for name in document["components"]["schemas"]:
        assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)


def test_every_model_has_its_payload(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    calls = {form["properties"]["model"]["enum"][0]: form for form in schemas["gmi.SubmitCall"]["anyOf"]}
    flat = {form["properties"]["model"]["enum"][0]: form for form in schemas["aimlapi.SubmitCall"]["anyOf"]}
    assert set(calls) == set(flat) == set(ALL)
    for model in ALL:
        payload = calls[model]["properties"]["payload"]
        assert {"duration", "cfg_scale", "seed"} <= payload["properties"].keys()
        assert set(calls[model]["required"]) == {"model", "payload"}
        assert ("image_url" in flat[model]["properties"]) is ("image" in payload["properties"])


def conforms(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """As much of JSON Schema as our answers' schemas use."""
    if "$ref" in schema:
        return conforms(value, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "anyOf" in schema:
        return any(conforms(value, choice, document) for choice in schema["anyOf"])
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, dict):
        rows = schema.get("properties", {})
        more = schema.get("additionalProperties")
        return set(schema.get("required", ())) <= value.keys() and all(
            conforms(item, rows.get(name) or (more if isinstance(more, dict) else {}), document)
            for name, item in value.items()
        )
    if isinstance(value, list):
        items = schema.get("items")
        return all(conforms(item, items if isinstance(items, dict) else {}, document) for item in value)
    return True


def test_answers_are_as_described(site: Site, ann: Account, document: dict[str, Any]) -> None:
    found = operations(document)

    def schema(method: str, path: str, status: str = "200") -> dict[str, Any]:
        answer = found[method, path]["responses"][status]
        return dict(answer["content"]["application/json"]["schema"])

    request_id = ann.submitted()
    site.finish(site.start(request_id))
    requests, models = f"{GMI}/requests", f"{GMI}/models"
    poll = "/v2/video/generations"
    for method, path, url in (
        ("get", requests, requests),
        ("get", f"{requests}/{{id}}", f"{requests}/{request_id}"),
        ("get", models, models),
        ("get", f"{models}/{{id}}", f"{models}/kling-v2-6"),
        ("get", poll, f"{poll}?generation_id={request_id}"),
        ("get", "/v1/models", "/v1/models"),
    ):
        body = ann.call(method.upper(), url).json()
        assert conforms(body, schema(method, path), document), path
        assert not conforms({"error": 7}, schema(method, path), document)
    refused = ann.call("GET", f"{requests}/nobody").json()
    assert conforms(refused, schema("get", f"{requests}/{{id}}", "default"), document)
    refused = ann.call("GET", poll).json()
    assert conforms(refused, schema("get", poll, "default"), document)
