"""Calls drawn from the page that describes the routes, good ones and bad ones: the server never breaks, and every
answer is as that page says.

`RUSHES_TEST_FUZZ_CASES` is the number of calls in all; `make fuzz` draws ten thousand.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.site import Site, open_site

CASES = int(os.environ.get("RUSHES_TEST_FUZZ_CASES", "400"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: what is drawn fills the queue."""
    with open_site(tmp_path_factory.mktemp("fuzz") / "data") as site:
        yield site


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_drawn_calls_are_answered_as_described(open_house: Site, mode: GenerationMode) -> None:
    site = open_house
    ann = site.account(f"ann-{mode.value}")
    ended = ann.submitted()  # so that no stream and no waiting answer lasts
    site.finish(site.start(ended))
    schema = schemathesis.openapi.from_asgi("/openapi.json", site.client.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    share = max(1, CASES // (2 * len(operations)))
    answered: Counter[int] = Counter()
    how = settings(
        max_examples=share,
        deadline=None,
        database=None,
        derandomize=CASES < 1000,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def call(case: Any) -> None:
        if "id" in (case.path_parameters or {}) and answered.total() % 2:
            case.path_parameters["id"] = ended
        response = case.call(headers={"authorization": f"Bearer {ann.key}"})
        answered[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    for operation in operations:
        drawn = operation.as_strategy(generation_mode=mode)
        with suppress(Unsatisfiable):  # nothing about a call without parameters can be wrong
            how(given(drawn)(call))()
    print(f"\n{mode.value}: {answered.total()} calls of {len(operations)} operations: {dict(answered)}")
    assert answered.total() >= len(operations)
    assert answered[200] if mode is GenerationMode.POSITIVE else answered[400]
