"""Calls drawn from the page that describes the routes, good ones and bad ones: the server never breaks, every answer is
as that page says, what the page allows is accepted, and what it forbids is refused.

`RUSHES_TEST_FUZZ_CASES` is the number of calls in all; `make fuzz` draws ten thousand.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rushes.core.images import is_url
from rushes.core.parameter import absent
from rushes.server.desk import PRIORITIES
from tests.server.site import Site, open_site

CASES = int(os.environ.get("RUSHES_TEST_FUZZ_CASES", "150"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ACCEPTED = [
    "200",
    "404",  # nobody's id
    "409",  # a request that has ended cannot be cancelled, one that succeeded not be made anew
    "422",  # an Idempotency-Key that was drawn before, with another body
]
REFUSED = ["400", "404"]
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"with-security-parameters": False},  # every call carries a key that works
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ACCEPTED},
            "negative_data_rejection": {"expected-statuses": REFUSED},
        },
    }
)
NUMBERS, IMAGES = ("cfg_scale", "seed"), ("image", "image_url")


def beyond_words(case: Any) -> bool:
    """Whether the call holds what no schema can say the whole of: a number written as text, which lies within the limits
    or not; Base64, which is an image or not."""
    body = case.body if isinstance(case.body, dict) else {}
    payload = body.get("payload")
    fields = payload if isinstance(payload, dict) else body
    texts = {name: value for name, value in fields.items() if isinstance(value, str) and not absent(value)}
    return any(name in texts for name in NUMBERS) or any(
        name in texts and not is_url(texts[name]) for name in IMAGES
    )


def good(case: Any, where: ParameterLocation) -> bool:
    """Whether that part of the call is as the page allows."""
    part = case.meta.components.get(where)
    return part is not None and part.mode is GenerationMode.POSITIVE


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Site]:
    """A site of its own: what is drawn fills the queue."""
    with open_site(tmp_path / "data") as site:
        yield site


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_drawn_calls_are_answered_as_described(open_house: Site, mode: GenerationMode) -> None:
    site = open_house
    ann = site.account(f"ann-{mode.value}")
    # What an owner may do is no fact of the page.
    site.house.ledger.change_owner(ann.owner, priority_cap=PRIORITIES[1])
    ended = ann.submitted()  # so that no stream and no waiting answer lasts
    site.finish(site.start(ended))
    schema = schemathesis.openapi.from_asgi("/openapi.json", site.client.app, config=CONFIG)
    operations = [found.ok() for found in schema.get_all_operations()]
    answered: Counter[int] = Counter()
    unjudged = 0

    def call(case: Any) -> None:
        nonlocal unjudged
        known = "/requests/{id}" in case.operation.path and answered.total() % 2
        if known and good(case, ParameterLocation.PATH):
            case.path_parameters["id"] = ended
        if case.query and "cursor" in case.query and good(case, ParameterLocation.QUERY):
            case.query["cursor"] = ""  # any other is what a list answered with
        response = case.call(headers={"Authorization": f"Bearer {ann.key}"})
        answered[response.status_code] += 1
        checks = [*CHECKS, negative_data_rejection]
        if beyond_words(case):
            unjudged += 1
        else:
            checks.append(positive_data_acceptance)
        case.validate_response(response, checks=checks)

    while (missing := CASES // 2 - answered.total()) > 0:  # some operations have few calls to draw
        how = settings(
            max_examples=max(1, missing // len(operations)),
            deadline=None,
            database=None,
            derandomize=CASES < 1000,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        for operation in operations:
            drawn = operation.as_strategy(generation_mode=mode)
            with suppress(Unsatisfiable):  # nothing about a call without parameters can be wrong
                how(given(drawn)(call))()
    print(
        f"\n{mode.value}: {answered.total()} calls of {len(operations)} operations: {dict(answered)}; "
        f"{unjudged} beyond words"
    )
    assert answered.total() >= len(operations)
    assert answered[200] if mode is GenerationMode.POSITIVE else answered[400]
