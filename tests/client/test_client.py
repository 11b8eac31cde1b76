"""Both clients against a server on loopback: the same calls, the same answers."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import msgspec
import pytest

from rushes.client import AsyncClient, Client, Unreachable
from rushes.core.errors import (
    AlreadyEnded,
    BadImage,
    FileGone,
    InvalidCall,
    SetupError,
    Unauthorised,
    UnknownModel,
)
from rushes.core.request import Status
from tests.client.loopback import KEY, VIDEO, Loopback, serving
from tests.tls import self_signed

MODEL = "kling-v2-6"
PNG = b"\x89PNG\r\n\x1a\nrest"


class Awaited:
    """An `AsyncClient` that is called like a `Client`, each verb through one event loop in a thread."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, client: AsyncClient) -> None:
        self._portal, self._client = portal, client

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        method = getattr(self._client, verb)
        if inspect.iscoroutinefunction(method):
            return lambda *args, **kw: self._portal.call(partial(method, *args, **kw))

        async def collect(*args: Any) -> list[Any]:
            return [record async for record in method(*args)]

        return lambda *args: self._portal.call(collect, *args)


@pytest.fixture(scope="module")
def running() -> Iterator[Loopback]:
    with serving(Loopback()) as loopback:
        yield loopback


@pytest.fixture
def loopback(running: Loopback) -> Loopback:
    return running.reset()


@pytest.fixture(params=["blocking", "awaited"])
def client(request: pytest.FixtureRequest, loopback: Loopback) -> Iterator[Any]:
    if request.param == "blocking":
        with Client(loopback.url, KEY, pause=lambda _: None) as blocking:
            yield blocking
        return

    async def pause(_: float) -> None:
        await anyio.lowlevel.checkpoint()

    with anyio.from_thread.start_blocking_portal() as portal:
        awaited = AsyncClient(loopback.url, KEY, pause=pause)
        yield Awaited(portal, awaited)
        portal.call(awaited.close)


def test_from_prompt_to_file(client: Any, loopback: Loopback, tmp_path: Path) -> None:
    accepted = client.submit(MODEL, "sea at dawn", sound=True, duration=10)
    assert accepted.status is Status.QUEUED
    assert loopback.submits[0].fields == {"prompt": "sea at dawn", "sound": True, "duration": 10}
    assert loopback.keys[0], "every submit carries an idempotency key"
    ended = client.wait(accepted.id)
    assert ended.status is Status.SUCCESS
    path = client.download(ended, tmp_path / "out.mp4")
    assert path.read_bytes() == VIDEO
    assert loopback.authorized_files == 0, "links are signed: the key stays with the server"
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_watch_tells_what_happens(client: Any) -> None:
    seen = list(client.watch(client.submit(MODEL, "sea").id))
    assert [(view.status, view.phase, view.progress) for view in seen] == [
        (Status.PROCESSING, "render", 0.5),
        (Status.SUCCESS, None, None),
    ]


def test_own_idempotency_key_is_sent(client: Any, loopback: Loopback) -> None:
    client.submit(MODEL, "sea", idempotency_key="mine")
    assert loopback.keys == ["mine"]


def test_an_image_file_travels_as_data(client: Any, loopback: Loopback, tmp_path: Path) -> None:
    image = tmp_path / "cat.png"
    image.write_bytes(PNG)
    client.submit(MODEL, "a cat", image=image)
    assert loopback.submits[0].fields["image"].startswith("data:image/png;base64,iVBORw0K")


@pytest.mark.parametrize("content", [b"GIF89a", b"", None])
def test_what_is_no_image_is_refused_before_it_is_sent(
    client: Any, loopback: Loopback, tmp_path: Path, content: bytes | None
) -> None:
    image = tmp_path / "cat.png"
    if content is not None:
        image.write_bytes(content)
    with pytest.raises(BadImage, match=r"cat\.png"):
        client.submit(MODEL, "a cat", image=image)
    assert not loopback.submits


def test_upload_puts_the_bytes_and_names_the_image(client: Any, loopback: Loopback, tmp_path: Path) -> None:
    image = tmp_path / "cat.png"
    image.write_bytes(PNG)
    assert client.upload(image) == f"{loopback.url}/files/up.png?sig=1"
    assert loopback.uploads == {"up.png": PNG}
    assert loopback.authorized_files == 0


def test_list_leads_from_page_to_page(client: Any) -> None:
    ids = [client.submit(MODEL, "sea").id for _ in range(3)]
    first = client.list(limit=2)
    second = client.list(limit=2, cursor=first.next_cursor)
    assert [view.id for view in (*first.requests, *second.requests)] == ids[::-1]
    assert (first.total, second.next_cursor) == (3, None)


def test_cancel(client: Any) -> None:
    request = client.submit(MODEL, "sea")
    assert client.cancel(request.id).status is Status.CANCELLED
    assert client.get(request.id).status is Status.CANCELLED
    with pytest.raises(AlreadyEnded, match="already cancelled"):
        client.cancel(request.id)


def test_models(client: Any) -> None:
    assert [model.id for model in client.models().models] == [MODEL]
    assert client.model("a/b c").id == "a/b c"


def test_refusals_are_the_errors_of_the_house(client: Any) -> None:
    with pytest.raises(UnknownModel, match="model nope does not exist"):
        client.submit("nope", "sea")
    with pytest.raises(InvalidCall, match="prompt"):
        client.submit(MODEL, "")


def test_a_file_that_is_gone_leaves_nothing_behind(client: Any, loopback: Loopback, tmp_path: Path) -> None:
    ended = client.wait(client.submit(MODEL, "sea").id)
    assert ended.outcome is not None
    gone = msgspec.structs.replace(ended.outcome, video_url=f"{loopback.url}/files/gone.mp4")
    with pytest.raises(FileGone, match="410"):
        client.download(msgspec.structs.replace(ended, outcome=gone), tmp_path / "out.mp4")
    with pytest.raises(FileGone, match="there is no video"):
        client.download(msgspec.structs.replace(ended, outcome=None), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_key_is_named(loopback: Loopback) -> None:
    with Client(loopback.url, "wrong") as client, pytest.raises(Unauthorised):
        client.models()


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url) as client, pytest.raises(Unreachable, match=url):
            client.models()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://[", "nonsense"])
def test_an_address_that_is_none(url: str) -> None:
    with Client(url) as client, pytest.raises(Unreachable, match="cannot be reached"):
        client.models()


def test_both_clients_have_the_same_verbs() -> None:
    def verbs(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(kind).items()
            if not name.startswith("_") and callable(method)
        }

    assert verbs(Client) == verbs(AsyncClient)


# -- a server with a certificate of its own ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Loopback, Path]]:
    tls = self_signed(tmp_path_factory.mktemp("tls"))
    with serving(Loopback(), tls) as loopback:
        yield loopback, tls[0]


def test_a_private_certificate_is_trusted_when_it_is_named(private: tuple[Loopback, Path]) -> None:
    loopback, cert = private
    with Client(loopback.url, KEY, ca_file=cert) as client:
        assert [model.id for model in client.models().models] == [MODEL]

    async def ask() -> str:
        async with AsyncClient(loopback.url, KEY, ca_file=cert) as client:
            return (await client.models()).models[0].id

    assert anyio.run(ask) == MODEL


def test_a_private_certificate_that_is_not_named_is_refused(private: tuple[Loopback, Path]) -> None:
    with (
        Client(private[0].url, KEY) as client,
        pytest.raises(Unreachable, match="CERTIFICATE_VERIFY") as refused,
    ):
        client.models()
    assert "ca_file" in refused.value.advice


def test_a_file_of_no_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    for path in (tmp_path / "none.pem", tmp_path / "nowhere.pem"):
        with pytest.raises(SetupError, match="cannot be used"):
            Client(ca_file=path)
