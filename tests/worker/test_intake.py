"""Images given by URL: taken in, refused with their reason, or tried again, while no worker is needed."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from PIL import Image

from rushes.core.audit import Stage
from rushes.core.card import ImageRules
from rushes.core.errors import FetchError, FetchHiccup
from rushes.core.request import Status
from rushes.ledger.intake import MAX_INTAKE_TRIES
from rushes.media.inputs import CheckedImage, check_image, load_picture
from rushes.policies.panel import Panel
from rushes.store.base import Store
from rushes.worker.intake import Intake
from tests.plugins.judges import Judge
from tests.worker.house import House, eventually
from tests.worker.test_loop import FullStore, working

URL = "https://pictures.example/cat.jpg"
OURS = "https://here.example/uploads/"


def picture(width: int = 320, height: int = 400, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(file, kind)
    return file.getvalue()


def own_key(url: str) -> str | None:
    """As the server's: our links end in the key's name, and a forged one is refused."""
    if not url.startswith(OURS):
        return None
    if url.endswith("forged"):
        raise FetchError("the link is not ours")
    return "uploads/ann/" + url.removeprefix(OURS)


def check(data: bytes, card: str) -> CheckedImage:
    return check_image(data, ImageRules())


@pytest.fixture
def taking_in(house: House) -> Iterator[Callable[..., Intake]]:
    with ExitStack() as stack:

        def start(
            fetch: Callable[[str], bytes],
            store: Store | None = None,
            threads: int = 1,
            panel: Panel | None = None,
        ) -> Intake:
            intake = Intake(
                house.ledger,
                store or house.store,
                name="intake",
                fetch=fetch,
                own_key=own_key,
                check=check,
                panel=panel,
                threads=threads,
            )
            intake.start()
            stack.callback(intake.stop)
            return intake

        yield start


def taken_in(house: House, request_id: str) -> str:
    return eventually(lambda: house.ledger.get(request_id).image_key, "image")


def test_an_image_is_fetched_checked_and_kept_under_the_requests_name(
    house: House, taking_in: Callable[..., Intake]
) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return picture(kind="PNG")

    taking_in(fetch)
    request_id = house.submit(image_url=URL)
    key = taken_in(house, request_id)
    assert key == f"inputs/{request_id}.png"
    assert load_picture(house.store.get(key)).shape == (400, 320, 3)
    assert asked == [URL]
    with working(house):
        request = house.assert_one_result(request_id)
    assert request.outcome is not None
    assert (request.outcome.width, request.outcome.height) == (54, 96)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (picture(299, 400), "image is 299×400: each side must be at least 300 px"),
        (b"GIF89a", "image is neither JPEG nor PNG: only these formats are accepted"),
    ],
)
def test_a_bad_image_fails_the_request_with_its_reason(
    house: House, taking_in: Callable[..., Intake], data: bytes, sentence: str
) -> None:
    taking_in(lambda url: data)
    request = house.ended(house.submit(image_url=URL))
    assert (request.status, request.error, request.error_name) == (Status.FAILED, sentence, "BadImage")
    assert (request.fence, request.failures) == (0, 0)
    assert not list(house.store.list("inputs/"))


def test_policies_see_the_image_as_soon_as_it_is_decoded(
    house: House, taking_in: Callable[..., Intake]
) -> None:
    judge = Judge({"stage": "image"})
    taking_in(lambda url: picture(), panel=Panel({"judge": judge}, house.ledger.record))
    tagged = house.submit("bright", image_url=URL, tags=("people",))
    refused = house.ended(house.submit("refused", image_url=URL))
    assert taken_in(house, tagged) == f"inputs/{tagged}.jpg"
    assert house.ledger.get(tagged).tags == ("people", "bright")
    assert (refused.status, refused.error, refused.error_name) == (
        Status.FAILED,
        "refused by policy: not this",
        "Refused",
    )
    assert (refused.fence, refused.failures) == (0, 0)
    assert [stored.key for stored in house.store.list("inputs/")] == [f"inputs/{tagged}.jpg"]
    assert [(e.stage, e.decision) for e in house.ledger.audit(refused.id)] == [(Stage.IMAGE, "refuse")]


def test_a_url_that_may_not_be_fetched_fails_the_request(
    house: House, taking_in: Callable[..., Intake]
) -> None:
    def fetch(url: str) -> bytes:
        raise FetchError("the URL leads to an address that may not be reached")

    taking_in(fetch)
    request = house.ended(house.submit(image_url="http://169.254.169.254/"))
    assert request.error == "the URL leads to an address that may not be reached"
    assert request.error_name == "FetchError"


def test_a_link_of_ours_never_leaves_the_house(house: House, taking_in: Callable[..., Intake]) -> None:
    def fetch(url: str) -> bytes:
        raise AssertionError("a link of ours was fetched")

    house.store.put("uploads/ann/1", picture())
    taking_in(fetch)
    good, missing, forged = (house.submit(image_url=OURS + name) for name in ("1", "2", "forged"))
    taken_in(house, good)
    assert house.ended(missing).error == "there is no uploaded image behind the link, or it was removed"
    assert house.ended(forged).error == "the link is not ours"


def test_a_hiccup_of_the_network_is_tried_again(house: House, taking_in: Callable[..., Intake]) -> None:
    tries: list[str] = []

    def fetch(url: str) -> bytes:
        tries.append(url)
        if len(tries) < 3:
            raise FetchHiccup("the URL answered with status 503")
        return picture()

    taking_in(fetch)
    taken_in(house, house.submit(image_url=URL))
    assert len(tries) == 3


def test_a_lasting_hiccup_fails_the_request(house: House, taking_in: Callable[..., Intake]) -> None:
    tries: list[str] = []

    def fetch(url: str) -> bytes:
        tries.append(url)
        raise FetchHiccup("the URL answered with status 503")

    taking_in(fetch)
    assert house.ended(house.submit(image_url=URL)).error == "the URL answered with status 503"
    assert len(tries) == MAX_INTAKE_TRIES


def test_a_full_disk_is_not_the_clients_fault(
    house: House, taking_in: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.worker.pause.FIRST", 0.01)
    taking_in(lambda url: picture(), FullStore(house.data / "files", times=2))
    taken_in(house, house.submit(image_url=URL))


def test_a_cancelled_request_gets_no_image(house: House, taking_in: Callable[..., Intake]) -> None:
    fetching, go_on = threading.Event(), threading.Event()

    def fetch(url: str) -> bytes:
        fetching.set()
        assert go_on.wait(20)
        return picture()

    intake = taking_in(fetch)
    request_id = house.submit(image_url=URL)
    assert fetching.wait(20)
    house.ledger.cancel(request_id)
    go_on.set()
    intake.stop()
    request = house.ledger.get(request_id)
    assert (request.status, request.image_key) == (Status.CANCELLED, None)


def test_a_slow_server_holds_up_nobody_else(house: House, taking_in: Callable[..., Intake]) -> None:
    both = threading.Barrier(2)

    def fetch(url: str) -> bytes:
        both.wait(20)  # passes only when two are fetched at once
        return picture()

    taking_in(fetch, threads=2)
    for request_id in [house.submit(image_url=URL), house.submit(image_url=URL)]:
        taken_in(house, request_id)


def test_stopping_waits_for_what_is_under_way(house: House, taking_in: Callable[..., Intake]) -> None:
    fetching, go_on = threading.Event(), threading.Event()

    def fetch(url: str) -> bytes:
        fetching.set()
        assert go_on.wait(20)
        return picture()

    intake = taking_in(fetch)
    first, later = house.submit(image_url=URL), house.submit(image_url=URL)
    assert fetching.wait(20)
    stopping = threading.Thread(target=intake.stop)
    stopping.start()
    go_on.set()
    stopping.join(20)
    assert house.ledger.get(first).image_key is not None
    assert house.ledger.get(later).image_key is None
