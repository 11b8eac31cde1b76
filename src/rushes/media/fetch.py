"""A guarded way out: an address that a stranger chose must not reach what only this machine can reach.

The check sits where the connection is made, so nothing gets around it: no spelling of an address, no redirect, no
name that resolves differently the second time. One look-up; **every** answer must be allowed; the connection goes to
an address that was checked. Who may be reached besides the public internet is an `AllowList` of the operator.

`Fetcher` downloads images through it. `guarded_client` is the same guard for whoever sends requests elsewhere on a
stranger's word, with an allow-list of its own: opening the LAN to one purpose must not open it to all.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeAlias

import httpcore2
import httpx2

from rushes.core.errors import FetchError, FetchHiccup
from rushes.media.addresses import Address, AllowList

__all__ = ["AllowList", "Fetcher", "GuardedTransport", "Resolver", "guarded_client", "system_resolver"]

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""(host, port) to the addresses as text. Raises `OSError` as `socket.getaddrinfo` does."""

MAX_REDIRECTS = 3
SECONDS = 20.0
CONNECT_SECONDS = 5.0
MAX_ADDRESSES = 4
"""Addresses of one name that are tried, one after the other."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COME_AGAIN = frozenset({408, 425, 429})


def system_resolver(host: str, port: int) -> list[str]:
    """What the machine's resolver answers, in its order and without doubles."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@cache
def _trusted() -> ssl.SSLContext:
    """The machine's trusted certificates; reading them takes longer than most fetches."""
    return httpx2.create_ssl_context(trust_env=False)


class _Deadline:
    """One total deadline over look-up, connections, reads and redirects."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def clamp(self, timeout: float | None) -> float | None:
        """The wait that is left, at most `timeout`. Raises a timeout when there is none."""
        if self._end is None:
            return timeout
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("total deadline")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore2.NetworkStream):
    """A connection whose every wait ends with the deadline, so that one byte a second does not hold us."""

    def __init__(self, inner: httpcore2.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.clamp(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.clamp(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, self._deadline.clamp(timeout))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _GuardedBackend(httpcore2.NetworkBackend):
    def __init__(self, allow: AllowList, deadline: _Deadline, resolve: Resolver) -> None:
        self._allow = allow
        self._deadline = deadline
        self._resolve = resolve
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._checked(host, port)
        for address in addresses[:-1]:
            try:
                return self._connect(address, port, timeout, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue  # a name may have IPv6 addresses that this machine has no route to
        return self._connect(addresses[-1], port, timeout, socket_options)

    def _connect(
        self, address: Address, port: int, timeout: float | None, options: Iterable[Any] | None
    ) -> httpcore2.NetworkStream:
        stream = self._inner.connect_tcp(str(address), port, self._deadline.clamp(timeout), None, options)
        return _Stream(stream, self._deadline)

    def _checked(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`, all of them allowed."""
        answers = self._look_up(host, port)
        addresses = [ipaddress.ip_address(answer.partition("%")[0]) for answer in answers]
        if not addresses:
            raise FetchHiccup("the URL's host has no address")
        if not all(self._allow.permits(address, port) for address in addresses):
            # Which address it was stays unsaid: names of the inside are not for the outside.
            raise FetchError(
                "the URL leads to an address or port that may not be reached: only public ones on 80 and 443"
            )
        return addresses[:MAX_ADDRESSES]

    def _look_up(self, host: str, port: int) -> Sequence[str]:
        # getaddrinfo takes no timeout; a thread that is left behind ends with the resolver's own.
        answer: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answer.put(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                answer.put(error)

        threading.Thread(target=ask, name="rushes-resolve", daemon=True).start()
        try:
            found = answer.get(timeout=self._deadline.clamp(None))
        except queue.Empty:
            raise FetchError("the URL's host could not be looked up in time") from None
        if isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN:
            raise FetchHiccup("the URL's host could not be looked up just now") from found
        if isinstance(found, Exception):
            raise FetchError("the URL's host does not exist") from found
        return found


class GuardedTransport(httpx2.HTTPTransport):
    """An httpx2 transport that reaches only what `allow` permits, all of it within `seconds` from now on (None: no
    total deadline). A refusal is a `FetchError`; everything else fails as httpx2 does. Proxies are never used."""

    def __init__(
        self,
        allow: AllowList,
        *,
        seconds: float | None,
        verify: ssl.SSLContext,
        resolve: Resolver = system_resolver,
    ) -> None:
        super().__init__(verify=verify, trust_env=False)
        # httpx2 has no parameter for the backend: its pool is replaced by one that does.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=verify, network_backend=_GuardedBackend(allow, _Deadline(seconds), resolve)
        )


def guarded_client(
    allow: AllowList,
    *,
    seconds: float | None,
    verify: ssl.SSLContext | None = None,
    resolve: Resolver = system_resolver,
) -> httpx2.Client:
    """A client over a `GuardedTransport`, for one exchange when it has a deadline. It follows no redirects, so that
    the caller says how many; each goes through the guard again anyway."""
    return httpx2.Client(
        transport=GuardedTransport(allow, seconds=seconds, verify=verify or _trusted(), resolve=resolve),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
        headers={"user-agent": "Rushes", "accept-encoding": "identity"},
    )


class Fetcher:
    """Downloads images by URLs that strangers gave: at most `max_bytes`, within `deadline` seconds, through the guard.

    `resolve` and `verify` replace the machine's resolver and its trusted certificates. Thread-safe.
    """

    def __init__(
        self,
        allow: AllowList,
        *,
        max_bytes: int,
        deadline: float = SECONDS,
        resolve: Resolver = system_resolver,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._resolve = resolve
        self._verify = verify

    def fetch(self, url: str) -> bytes:
        """The body behind `url`. Raises `FetchHiccup` where another try may help (a refused connection, 429 and 5xx),
        else `FetchError`: also when the deadline passes, for a client waits to hear of his image. The sentences tell nothing of what was answered but its status."""
        try:
            with guarded_client(
                self._allow, seconds=self._deadline, verify=self._verify, resolve=self._resolve
            ) as client:
                return self._follow(client, url)
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise FetchError("image URL cannot be read: give a complete http or https URL") from error
        except httpx2.TimeoutException as error:
            raise FetchError(f"image URL did not answer in full within {self._deadline:g} s") from error
        except httpx2.TransportError as error:
            if _bad_certificate(error):
                raise FetchError("the image URL's host has no valid TLS certificate") from error
            raise FetchHiccup("the connection to the image URL's host failed") from error

    def _follow(self, client: httpx2.Client, url: str) -> bytes:
        target = httpx2.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            _check_url(target)
            with client.stream("GET", target) as response:
                if response.status_code not in _REDIRECTS or "location" not in response.headers:
                    return self._body(response)
                target = target.join(response.headers["location"])
        raise FetchError(f"image URL redirects more than {MAX_REDIRECTS} times")

    def _body(self, response: httpx2.Response) -> bytes:
        status = response.status_code
        if status >= 500 or status in _COME_AGAIN:
            raise FetchHiccup(f"image URL answered with status {status}")
        if status != 200:
            raise FetchError(f"image URL answered with status {status}: it must be 200")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchError("image URL answered with a compressed body, although none was asked for")
        told = response.headers.get("content-length", "")
        if told.isascii() and told.isdigit() and len(told) < 20 and int(told) > self._max_bytes:
            raise FetchError(
                f"the file behind the image URL has {told} bytes: at most {self._max_bytes} are accepted"
            )
        body = bytearray()
        for part in response.iter_raw():
            body += part
            if len(body) > self._max_bytes:
                raise FetchError(
                    f"the file behind the image URL has more than {self._max_bytes} bytes: that is the most"
                )
        if not body:
            raise FetchError("the file behind the image URL is empty")
        return bytes(body)


def _check_url(url: httpx2.URL) -> None:
    if url.scheme not in ("http", "https"):
        raise FetchError(f"image URL leads to {url.scheme or 'no scheme'}: only http and https are fetched")
    if not url.host:
        raise FetchError("image URL has no host: give a complete http or https URL")
    if url.userinfo:
        raise FetchError("image URL holds a user name or password: give one without")


def _bad_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
