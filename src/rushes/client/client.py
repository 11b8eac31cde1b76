"""`Client` and `AsyncClient`: two faces that walk the same flows, one blocking, one awaited.

    with Client("http://127.0.0.1:8000", key) as client:
        request = client.wait(client.submit("kling-v2-6", "a harbour at dawn", sound=True).id)
        client.download(request, Path("harbour.mp4"))

Every call raises what the server's refusal tells of (`core.errors.CallError`), `Unreachable` when there is no server,
and `BadReply` when what answers is none of ours.
"""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
import httpx2

from rushes.client.files import data_uri, whole_file
from rushes.client.flow import PATIENCE, Flow, Flows, Pause, Seen, Send, Unreachable, Walk
from rushes.core.errors import FileGone, SetupError
from rushes.core.request import Status
from rushes.dialects.base import (
    AttemptList,
    Attempts,
    Cancel,
    Dialect,
    Get,
    List,
    ModelDetail,
    ModelInfo,
    ModelList,
    Models,
    Page,
    RequestView,
    Retry,
    Submit,
    UploadTarget,
    UploadUrl,
    WireReply,
)
from rushes.dialects.gmi import Gmi

T = TypeVar("T")

LOCAL = "http://127.0.0.1:8000"
_GMI = Gmi()
UNTRUSTED = "A certificate of your own making is trusted when it, or its authority's, stands in ca_file (RUSHES_CA_FILE)."
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)


class _Face:
    """What both clients have to say; how they wait for the answer is theirs."""

    def __init__(self, url: str, key: str, dialect: Dialect, patience: float) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._flows = Flows(dialect, patience)

    def _request(self, send: Send) -> dict[str, Any]:
        """httpx2's arguments for one call. The key goes to the server's own address and nowhere else."""
        call = send.call
        elsewhere = call.path.startswith(("http://", "https://"))
        headers = {"user-agent": "rushes", **send.headers}
        if call.content_type:
            headers["content-type"] = call.content_type
        if self._key and not elsewhere:
            headers["authorization"] = f"Bearer {self._key}"
        return {
            "method": call.method,
            "url": call.path if elsewhere else self._url + call.path,
            "params": call.query or None,
            "content": call.body,
            "headers": headers,
        }

    def _lost(self, error: Exception) -> Unreachable:
        advice = UNTRUSTED if _is_untrusted(error) else None
        return Unreachable(f"{self._url} cannot be reached: {error or type(error).__name__}", advice=advice)

    def _submit(
        self, model: str, fields: dict[str, Any], key: str | None, priority: int | None
    ) -> Flow[RequestView]:
        if isinstance(fields.get("image"), Path):
            fields["image"] = data_uri(fields["image"])
        return self._flows.submit(Submit.of(model, fields), key or str(uuid.uuid4()), priority)

    def _retry(self, request_id: str, key: str | None) -> Flow[RequestView]:
        return self._flows.submit(Retry(request_id), key or str(uuid.uuid4()))

    def _upload(self, path: Path) -> Flow[str]:
        target = yield from self._flows.call(UploadUrl(path.suffix.lstrip(".")), UploadTarget)
        yield from self._flows.put(target.upload_url, path.read_bytes())
        return target.public_url


def _trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    """Public certificates, and those in `ca_file`. Raises `SetupError`."""
    if ca_file is None:
        return True
    context = httpx2.create_ssl_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:
        raise SetupError(
            f"ca_file {ca_file} cannot be used: {error}", advice="It must be a PEM file of certificates."
        ) from error
    return context


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def _reply(response: httpx2.Response) -> WireReply:
    return WireReply(response.status_code, response.content, dict(response.headers))


def _video_url(request: RequestView) -> str:
    if request.outcome is None:
        raise FileGone(f"request {request.id} is {request.status}: there is no video to download")
    return request.outcome.video_url


def _check_download(response: httpx2.Response) -> None:
    if not response.is_success:
        raise FileGone(f"the video cannot be downloaded: the server answered {response.status_code}")


class Client(_Face):
    """Blocking. `patience` is how many seconds a server may be away, `ca_file` a PEM file of certificates that are trusted
    besides the public ones; `transport` and `pause` are for tests. Raises `SetupError` for a `ca_file` that is none."""

    def __init__(
        self,
        url: str = LOCAL,
        key: str = "",
        *,
        dialect: Dialect = _GMI,
        patience: float = PATIENCE,
        ca_file: Path | None = None,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(url, key, dialect, patience)
        self._http = httpx2.Client(timeout=TIMEOUT, transport=transport, verify=_trust(ca_file))
        self._pause = pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(
        self,
        model: str,
        prompt: str = "",
        *,
        idempotency_key: str | None = None,
        priority: int | None = None,
        **fields: Any,
    ) -> RequestView:
        """Ask for a clip. `fields` are the parameters of the model's card; an `image` is a URL, a data URI, Base64
        or the `Path` of a file. The same `idempotency_key` never makes a second request. A higher `priority` than 0
        needs the operator's leave."""
        return self._walk(self._submit(model, {"prompt": prompt, **fields}, idempotency_key, priority))

    def get(self, request_id: str) -> RequestView:
        return self._walk(self._flows.call(Get(request_id), RequestView))

    def watch(self, request_id: str, within: float | None = None) -> Iterator[RequestView]:
        """The request as it stands, and again after each change, until it is terminal. Raises `StillRunning`."""
        return self._records(Walk(self._flows.watch(request_id, within)))

    def wait(self, request_id: str, within: float | None = None) -> RequestView:
        """The request once it is terminal, whichever way it ended. Raises `StillRunning`."""
        return self._walk(self._flows.watch(request_id, within))

    def list(
        self,
        model: str | None = None,
        *,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """One page, newest first; its `next_cursor` leads to the next."""
        return self._walk(self._flows.call(List(model, limit, cursor, status), Page))

    def cancel(self, request_id: str) -> RequestView:
        """Raises `AlreadyEnded`."""
        return self._walk(self._flows.call(Cancel(request_id), RequestView))

    def retry(self, request_id: str, *, idempotency_key: str | None = None) -> RequestView:
        """A failed or cancelled request made anew: the same shot, under an id of its own. Raises `NotRepeatable`."""
        return self._walk(self._retry(request_id, idempotency_key))

    def attempts(self, request_id: str) -> AttemptList:
        """Every try at the request, and what came of it."""
        return self._walk(self._flows.call(Attempts(request_id), AttemptList))

    def models(self) -> ModelList:
        return self._walk(self._flows.call(Models(), ModelList))

    def model(self, model_id: str) -> ModelInfo:
        return self._walk(self._flows.call(ModelDetail(model_id), ModelInfo))

    def upload(self, path: Path) -> str:
        """Store an image on the server; the URL is what an `image` then names."""
        return self._walk(self._upload(path))

    def download(self, request: RequestView, path: Path) -> Path:
        """Write the video to `path`, whole or not at all. Raises `FileGone`."""
        try:
            with whole_file(path) as file, self._http.stream("GET", _video_url(request)) as response:
                _check_download(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._lost(error) from error
        return path

    def _walk(self, flow: Flow[T]) -> T:
        walk = Walk(flow)
        for _ in self._records(walk):
            continue
        return walk.result

    def _records(self, walk: Walk[T]) -> Iterator[RequestView]:
        """Walk to the end, showing the records on the way."""
        while walk.step is not None:
            match walk.step:
                case Send() as send:
                    try:
                        response = self._http.request(**self._request(send))
                    except (httpx2.TransportError, httpx2.InvalidURL) as error:
                        walk.lost(self._lost(error))
                    else:
                        walk.answered(_reply(response))
                case Pause(seconds):
                    self._pause(seconds)
                    walk.go_on()
                case Seen(record):
                    yield record
                    walk.go_on()


class AsyncClient(_Face):
    """The same, awaited, under asyncio or trio. See `Client`."""

    def __init__(
        self,
        url: str = LOCAL,
        key: str = "",
        *,
        dialect: Dialect = _GMI,
        patience: float = PATIENCE,
        ca_file: Path | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        super().__init__(url, key, dialect, patience)
        self._http = httpx2.AsyncClient(timeout=TIMEOUT, transport=transport, verify=_trust(ca_file))
        self._pause = pause

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def submit(
        self,
        model: str,
        prompt: str = "",
        *,
        idempotency_key: str | None = None,
        priority: int | None = None,
        **fields: Any,
    ) -> RequestView:
        return await self._walk(self._submit(model, {"prompt": prompt, **fields}, idempotency_key, priority))

    async def get(self, request_id: str) -> RequestView:
        return await self._walk(self._flows.call(Get(request_id), RequestView))

    def watch(self, request_id: str, within: float | None = None) -> AsyncIterator[RequestView]:
        return self._records(Walk(self._flows.watch(request_id, within)))

    async def wait(self, request_id: str, within: float | None = None) -> RequestView:
        return await self._walk(self._flows.watch(request_id, within))

    async def list(
        self,
        model: str | None = None,
        *,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        return await self._walk(self._flows.call(List(model, limit, cursor, status), Page))

    async def cancel(self, request_id: str) -> RequestView:
        return await self._walk(self._flows.call(Cancel(request_id), RequestView))

    async def retry(self, request_id: str, *, idempotency_key: str | None = None) -> RequestView:
        return await self._walk(self._retry(request_id, idempotency_key))

    async def attempts(self, request_id: str) -> AttemptList:
        return await self._walk(self._flows.call(Attempts(request_id), AttemptList))

    async def models(self) -> ModelList:
        return await self._walk(self._flows.call(Models(), ModelList))

    async def model(self, model_id: str) -> ModelInfo:
        return await self._walk(self._flows.call(ModelDetail(model_id), ModelInfo))

    async def upload(self, path: Path) -> str:
        return await self._walk(self._upload(path))

    async def download(self, request: RequestView, path: Path) -> Path:
        try:
            with whole_file(path) as file:
                async with self._http.stream("GET", _video_url(request)) as response:
                    _check_download(response)
                    async for chunk in response.aiter_bytes():
                        await anyio.to_thread.run_sync(file.write, chunk)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._lost(error) from error
        return path

    async def _walk(self, flow: Flow[T]) -> T:
        walk = Walk(flow)
        async for _ in self._records(walk):
            continue
        return walk.result

    async def _records(self, walk: Walk[T]) -> AsyncIterator[RequestView]:
        while walk.step is not None:
            match walk.step:
                case Send() as send:
                    try:
                        response = await self._http.request(**self._request(send))
                    except (httpx2.TransportError, httpx2.InvalidURL) as error:
                        walk.lost(self._lost(error))
                    else:
                        walk.answered(_reply(response))
                case Pause(seconds):
                    await self._pause(seconds)
                    walk.go_on()
                case Seen(record):
                    yield record
                    walk.go_on()
