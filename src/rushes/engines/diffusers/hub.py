"""The model hub: its two calls that `rushes pull` needs, and what is done when it is away.

A hub may be out of reach, too busy, or gone in the middle of a file; each of these passes, so a call is tried again
after a wait that doubles. Every failed try is told with its cause and its host (files often come from another host than
the listing), and the last one ends the pull with what to do.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx2
import msgspec

from rushes.core.errors import SetupError

HUB = "https://huggingface.co"
LISTING_TRIES, FILE_TRIES = 3, 6
"""Tries of one call; those that bring something are not counted."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries: they double. A hub that says how long it wants to be left alone is obeyed up to the longest."""
CONNECTING, SILENCE = 10.0, 30.0
"""Seconds after which a connection that is not made, and one that brings nothing, is given up."""
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
ADVICE = (
    "Check the network (HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror), then run the same command again: it goes on"
    " from where it is."
)


class RemoteFile(msgspec.Struct, frozen=True):
    """One file of a repository: `sha256` of its bytes, or `blob`, git's checksum, for small ones. `repo` and `commit`
    say where it comes from, `path` where it lies there, `local` where in our folder."""

    repo: str
    commit: str
    path: str
    local: str
    size: int
    sha256: str = ""
    blob: str = ""


class Away(Exception):
    """A try that failed in a way that passes; `str` is the cause. `seconds` is how long the hub asked to be left alone."""

    def __init__(self, cause: str, seconds: float = 0.0) -> None:
        super().__init__(cause)
        self.seconds = seconds


class Hub:
    """`endpoint` and `token` are by default those of the hub's own tools' environment. `say` hears of each try that
    failed and is made again; `wait` waits so many seconds."""

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
        if not self._endpoint.startswith(("http://", "https://")):
            raise SetupError(
                f"HF_ENDPOINT is '{self._endpoint}'; it must begin with http:// or https://",
                advice=f"Correct it, or leave it out for {HUB}.",
            )
        self._say, self._wait = say, wait
        secret = token or os.environ.get("HF_TOKEN") or _saved_token()
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        self._client = httpx2.Client(
            headers=headers, follow_redirects=True, timeout=httpx2.Timeout(SILENCE, connect=CONNECTING)
        )

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def files(self, repo: str, revision: str) -> tuple[str, list[RemoteFile]]:
        """The commit that `revision` is now, and its files. Raises `SetupError`."""
        url = f"{self._endpoint}/api/models/{repo}/revision/{revision}?blobs=true"
        answer = self._list(url, repo)
        try:
            table = answer.json()
            commit = str(table["sha"])
            return commit, [_file(repo, commit, row) for row in table["siblings"]]
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise SetupError(
                f"{answer.url.host} answers with something else than the list of files of {repo}: {error!r}",
                advice="Perhaps a portal or a proxy stands between; open the hub's page in a browser, or name a mirror by"
                " HF_ENDPOINT.",
            ) from error

    def fetch(self, file: RemoteFile, part: Path, told: Callable[[], None]) -> None:
        """Append to `part` until it has the file's size; `told` is called after each piece. Raises `SetupError`."""
        failures = 0
        while (start := part.stat().st_size) < file.size:
            try:
                with part.open("ab") as stream:
                    for piece in self._bytes_of(file, start):
                        stream.write(piece)
                        stream.flush()
                        told()
            except OSError as error:  # the network's are `Away`
                raise SetupError(
                    f"{part} cannot be written: {error.strerror}",
                    advice="Make room, or choose another folder with --models; then run the same command again: it goes on"
                    " from where it is.",
                ) from error
            except Away as away:
                failures = 1 if part.stat().st_size > start else failures + 1
                self._bear(away, failures, FILE_TRIES, f"{file.path} of {file.repo}")

    def _list(self, url: str, repo: str) -> Any:
        failures = 0
        while True:
            try:
                with _told_as_away():
                    answer = self._client.get(url)
                _check(answer, repo)
                return answer
            except Away as away:
                failures += 1
                self._bear(away, failures, LISTING_TRIES, f"the list of files of {repo}")

    def _bytes_of(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """The file's bytes from `start` on. Raises `Away` or `SetupError`."""
        url = f"{self._endpoint}/{file.repo}/resolve/{file.commit}/{file.path}"
        headers = {"accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
        with _told_as_away(), self._client.stream("GET", url, headers=headers) as answer:
            _check(answer, file.repo)
            skip = 0 if answer.status_code == 206 else start  # a server without ranges begins anew
            for piece in answer.iter_raw():
                start += max(0, len(piece) - skip)
                yield piece[skip:]
                skip = max(0, skip - len(piece))
        if start < file.size:
            raise Away(f"{answer.url.host} closed the line early")

    def _bear(self, away: Away, failures: int, tries: int, what: str) -> None:
        """Wait before the next try. Raises `SetupError` when there is none left."""
        if failures >= tries:
            raise SetupError(f"{what} could not be fetched, {tries} times: {away}", advice=ADVICE)
        seconds = min(LONGEST_WAIT, max(away.seconds, FIRST_WAIT * 2 ** (failures - 1)))
        self._say(f"{away}; trying again in {seconds:.0f} s ({failures + 1} of {tries})")
        self._wait(seconds)


@contextmanager
def _told_as_away() -> Iterator[None]:
    """Turn what the network says into `Away`. Raises `SetupError` for what stays wrong however often it is tried."""
    try:
        yield
    except httpx2.TransportError as error:
        _tell_cause(error)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SetupError(f"the hub cannot be asked: {error}", advice=ADVICE) from error


def _tell_cause(error: httpx2.TransportError) -> NoReturn:
    host = error.request.url.netloc.decode("ascii")
    causes: list[BaseException] = [error]
    while (deeper := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(deeper)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        raise SetupError(
            f"the certificate of {host} is not trusted here: {error}",
            advice="Something between here and the hub opens its connections: add that certificate to the system's, or"
            " name a mirror by HF_ENDPOINT.",
        ) from error
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        said = f"the name {host} is not known here (no network, or a wrong name)"
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        said = f"{host} refuses the connection"
    elif isinstance(error, httpx2.ProxyError):
        said = f"the proxy does not lead to {host} ({error})"
    elif isinstance(error, httpx2.ConnectTimeout):
        said = f"{host} does not answer within {CONNECTING:.0f} s"
    elif isinstance(error, httpx2.TimeoutException):
        said = f"{host} fell silent for {SILENCE:.0f} s"
    else:
        said = f"the line to {host} broke ({error})"
    raise Away(said) from error


def _check(answer: Any, repo: str) -> None:
    """Raises `Away` for a hub that is busy, `SetupError` for one that refuses."""
    host, status = answer.url.host, answer.status_code
    if status in BUSY:
        raise Away(f"{host} is too busy, or broken ({status})", _seconds(answer.headers.get("retry-after")))
    if status in (401, 403):
        raise SetupError(
            f"the hub refuses {repo} ({status})",
            advice="Accept its terms on its page, then set HF_TOKEN to a token of your account.",
        )
    if status >= 400:
        raise SetupError(
            f"the hub answers {status} for {answer.url}",
            advice=f"Check the recipe's repo, {repo}, and its revision; a mirror named by HF_ENDPOINT must have both.",
        )


def _seconds(text: str | None) -> float:
    """Of the header `retry-after`; 0 for a date, which hubs do not send."""
    return float(text) if text is not None and text.isdecimal() else 0.0


def _file(repo: str, commit: str, row: dict[str, Any]) -> RemoteFile:
    path = str(row["rfilename"])
    if path.startswith("/") or ".." in Path(path).parts:
        raise SetupError(f"{repo} names a file '{path}' outside its folder: it is not fetched")
    large = row.get("lfs") or {}
    return RemoteFile(
        repo,
        commit,
        path,
        path,
        int(row.get("size") or 0),
        str(large.get("sha256", "")),
        str(row.get("blobId", "")),
    )


def _saved_token() -> str | None:
    """Where the hub's own tools keep it."""
    home = os.environ.get("HF_HOME")
    path = (Path(home) if home else Path.home() / ".cache" / "huggingface") / "token"
    try:
        return path.read_text("utf-8").strip() or None
    except OSError:
        return None
