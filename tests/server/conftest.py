"""One site serves all tests of a process; each test has accounts of its own, and leaves nothing waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest

from rushes.core.errors import AlreadyEnded
from rushes.core.request import LIVE
from tests.server.site import Account, Site, open_site

NUMBERS = count()


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(_shared: Site) -> Iterator[Site]:
    yield _shared
    for status in LIVE:
        while live := _shared.house.ledger.list(status=status, limit=100).requests:
            for request in live:
                with suppress(AlreadyEnded):
                    _shared.house.ledger.cancel(request.id)


@pytest.fixture
def ann(site: Site) -> Account:
    return site.account(f"ann-{next(NUMBERS)}")


@pytest.fixture
def bob(site: Site) -> Account:
    return site.account(f"bob-{next(NUMBERS)}")
