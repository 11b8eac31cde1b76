"""Attacks on the guarded fetch. Those by address must end before any connection is made: `connections` sees them all."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest

from rushes.core.errors import FetchError, FetchHiccup
from rushes.media.fetch import AllowList, Fetcher, Resolver, guarded_client, system_resolver
from tests.media.web import Web, serve

IMAGE = b"\x89PNG and so on"
LOOPBACK = "127.0.0.1"


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as server:
        server.answer("/cat.png", IMAGE)
        yield server


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where a connection was tried; none comes about."""
    tried: list[tuple[str, int]] = []

    def connect(self: Any, host: str, port: int, *rest: Any) -> httpcore2.NetworkStream:
        tried.append((host, port))
        raise httpcore2.ConnectError("no way out of this test")

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    return tried


def names(known: Mapping[str, Sequence[str]] = {}) -> Resolver:
    """A resolver that knows these names, localhost, and every spelling of an address; it asks no network."""
    table = {"localhost": [LOOPBACK], **known}

    def resolve(host: str, port: int) -> Sequence[str]:
        if host in table:
            return table[host]
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [str(answer[4][0]) for answer in answers]

    return resolve


def fetcher(*allowed: str, max_bytes: int = 1000, deadline: float = 10.0, **more: Any) -> Fetcher:
    more.setdefault("resolve", names())
    return Fetcher(AllowList.parse(allowed), max_bytes=max_bytes, deadline=deadline, **more)


def to(web: Web, **more: Any) -> Fetcher:
    """A fetcher that may reach this server and nothing else inside."""
    return fetcher(f"{LOOPBACK}:{web.port}", **more)


def refusal(fetch: Fetcher, url: str) -> str:
    """The sentence of a final refusal."""
    with pytest.raises(FetchError) as caught:
        fetch.fetch(url)
    assert not caught.value.retryable, caught.value
    return str(caught.value)


def hiccup(fetch: Fetcher, url: str) -> str:
    with pytest.raises(FetchHiccup) as caught:
        fetch.fetch(url)
    assert caught.value.retryable
    return str(caught.value)


def test_an_allowed_server_is_fetched_from(web: Web) -> None:
    assert to(web).fetch(f"{web.base}/cat.png") == IMAGE
    assert web.headers[0]["accept-encoding"] == "identity"
    assert "cookie" not in web.headers[0]


# --- by address

REACHING = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://127。0。0。1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://127.0.0.1#@8.8.8.8/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fd00::1]/",
    "http://[ff02::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/iam/",
    "http://inside.test/",
    "http://mixed.test/",
    "http://mapped.test/",
    "https://127.0.0.1/",
]
"""Attacks that a plain client would carry out."""

MALFORMED = [
    "http://0177.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.０.０.１/",
    "http://%31%32%37.0.0.1/",
    "http://[fe80::1%25lo]/",
    "http://8.8.8.8:22/",
    "http://8.8.8.8:6379/",
    "http://8.8.8.8:99999/",
    "http://user:secret@8.8.8.8/",
    "http://8.8.8.8@127.0.0.1/",
    "http://127.0.0.1\\@8.8.8.8/",
    "http://empty label..test/",
    "http://" + "a" * 300 + ".test/",
    "http://a\nb/",
    "http://[::1",
    "http:///cat.png",
    "http://",
    "",
    "//127.0.0.1/",
    "/etc/passwd",
    "file:///etc/passwd",
    "ftp://8.8.8.8/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "data:image/png;base64,AAAA",
    "unix:/run/docker.sock",
    "ws://127.0.0.1/",
    "javascript:alert(1)",
]
"""Attacks that rely on a client that reads URLs generously."""

INSIDE = {
    "inside.test": ["10.0.0.7"],
    "mixed.test": ["8.8.8.8", "127.0.0.1"],
    "mapped.test": ["::ffff:192.168.0.1"],
}


@pytest.mark.parametrize("url", [*REACHING, *MALFORMED])
def test_an_attack_makes_no_connection(url: str, connections: list[Any]) -> None:
    refusal(fetcher(resolve=names(INSIDE)), url)
    assert connections == []


@pytest.mark.parametrize("url", REACHING)
def test_the_attack_would_hit_were_it_allowed(url: str, connections: list[Any]) -> None:
    """So that the test above cannot pass for want of a target."""
    hiccup(fetcher("0.0.0.0/0", "::/0", resolve=names(INSIDE)), url)
    assert connections


def test_a_public_address_is_connected_to(connections: list[Any]) -> None:
    hiccup(fetcher(resolve=names({"images.test": ["8.8.8.8"]})), "https://images.test/cat.png")
    hiccup(fetcher(), "http://8.8.4.4/cat.png")
    assert connections == [("8.8.8.8", 443), ("8.8.4.4", 80)]


def test_an_allow_entry_opens_its_port_only(web: Web) -> None:
    with serve() as secret:
        secret.answer("/", b"secret")
        refusal(to(web), secret.base + "/")
        refusal(fetcher(f"127.0.0.2:{secret.port}"), secret.base + "/")
        refusal(fetcher("127.0.0.0/8"), secret.base + "/")
        assert secret.visits == []


def test_the_sentence_does_not_tell_the_inside_apart(connections: list[Any]) -> None:
    known = names({"inside.test": ["10.0.0.7"], "other.test": ["192.168.7.7"]})
    sentences = {
        refusal(fetcher(resolve=known), url) for url in ("http://inside.test/", "http://other.test/")
    }
    assert sentences == {
        "the URL leads to an address or port that may not be reached: only public ones on 80 and 443"
    }


def test_every_answer_must_be_allowed_and_order_does_not_matter(web: Web, connections: list[Any]) -> None:
    for answers in (
        ["10.0.0.1", LOOPBACK],
        [LOOPBACK, "10.0.0.1"],
        ["8.8.8.8", "::1"],
        ["8.8.8.8"] * 9 + ["10.0.0.1"],
    ):
        refusal(to(web, resolve=names({"mixed.test": answers})), f"http://mixed.test:{web.port}/")
    assert connections == []


def test_a_rebinding_name_is_looked_up_once_and_the_checked_address_is_used(web: Web) -> None:
    answers = [[LOOPBACK], ["127.0.0.2"]]
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    with serve() as secret:
        secret.answer("/cat.png", b"secret")
        assert to(web, resolve=rebinding).fetch(f"http://rebind.test:{web.port}/cat.png") == IMAGE
        assert asked == ["rebind.test"]
        assert web.headers[0]["host"] == f"rebind.test:{web.port}"
        refusal(to(web, resolve=rebinding), f"http://rebind.test:{web.port}/cat.png")
        assert secret.visits == []


def test_the_next_address_is_tried_where_one_refuses(web: Web) -> None:
    fetch = fetcher(f"127.0.0.0/8:{web.port}", resolve=names({"two.test": ["127.0.0.2", LOOPBACK]}))
    assert fetch.fetch(f"http://two.test:{web.port}/cat.png") == IMAGE


def test_the_systems_resolver_gives_each_address_once() -> None:
    assert LOOPBACK in system_resolver("localhost", 80)
    assert system_resolver("127.1", 80) == [LOOPBACK]


def test_names_that_do_not_resolve() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def not_now(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    assert refusal(fetcher(resolve=unknown), "http://a.test/") == "the URL's host does not exist"
    assert "just now" in hiccup(fetcher(resolve=not_now), "http://a.test/")
    assert "has no address" in hiccup(fetcher(resolve=lambda host, port: []), "http://a.test/")


def test_proxies_of_the_environment_are_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert to(web).fetch(f"{web.base}/cat.png") == IMAGE


# --- by redirect


def redirects(web: Web, count: int) -> str:
    for number in range(count):
        web.answer(f"/{number}", status=302, location=f"/{number + 1}")
    web.answer(f"/{count}", IMAGE)
    return f"{web.base}/0"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(web: Web, status: int) -> None:
    assert to(web).fetch(web.answer("/a", status=status, location="cat.png")) == IMAGE


def test_three_redirects_and_no_more(web: Web) -> None:
    assert to(web).fetch(redirects(web, 3)) == IMAGE
    assert refusal(to(web), redirects(web, 4)) == "image URL redirects more than 3 times"


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/",
        "http://localhost:{secret}/",
        "http://127.0.0.1:{secret}/",
        "//127.0.0.1:{secret}/",
        "http://[::ffff:127.0.0.1]:{secret}/",
        "http://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{secret}/",
        "http://user:secret@127.0.0.1:{web}/cat.png",
        "http://[::1",
    ],
)
def test_a_redirect_to_the_inside_is_refused(web: Web, location: str) -> None:
    with serve() as secret:
        secret.answer("/", b"secret")
        target = location.format(secret=secret.port, web=web.port)
        refusal(to(web), web.answer("/a", status=302, location=target))
        assert secret.visits == []
        assert web.visits == ["/a"]


def test_a_redirect_to_nowhere(web: Web) -> None:
    assert (
        refusal(to(web), web.answer("/a", status=302)) == "image URL answered with status 302: it must be 200"
    )


# --- by what is answered


@pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 410])
def test_other_answers_are_final(web: Web, status: int) -> None:
    says = refusal(to(web), web.answer("/a", b"", status=status))
    assert says == f"image URL answered with status {status}: it must be 200"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_the_servers_own_faults_may_pass(web: Web, status: int) -> None:
    assert (
        hiccup(to(web), web.answer("/a", b"x", status=status)) == f"image URL answered with status {status}"
    )


def test_nothing_of_the_answer_is_told(web: Web) -> None:
    page = web.answer("/a", b"internal dashboard", status=404, server="secret-banner/1.0")
    for url in (page, page + "?token=of-the-client"):
        web.pages["/a?token=of-the-client"] = web.pages["/a"]
        says = refusal(to(web), url)
        assert not any(word in says for word in ("dashboard", "banner", "token", LOOPBACK))


def test_an_empty_file_is_refused(web: Web) -> None:
    assert "is empty" in refusal(to(web), web.answer("/a", b""))


def test_a_file_over_the_limit_is_refused_by_its_length_alone(web: Web) -> None:
    read = threading.Event()

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "5000000000")
        handler.end_headers()
        read.wait(10)

    assert "has 5000000000 bytes: at most 1000 are accepted" in refusal(to(web), web.page("/a", page))
    read.set()


def test_bytes_are_counted_as_they_come(web: Web) -> None:
    sent = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65_536))
            sent.append(1)

    assert "more than 1000 bytes" in refusal(to(web), web.page("/a", page))
    assert to(web).fetch(web.answer("/b", bytes(1000))) == bytes(1000)


def test_a_gzip_bomb_is_not_unpacked(web: Web) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    url = web.answer("/a", bomb, content_encoding="gzip")
    assert "compressed body" in refusal(to(web, max_bytes=100_000), url)
    # Without the header it is just bytes.
    assert to(web, max_bytes=100_000).fetch(web.answer("/b", bomb)) == bomb


def test_what_is_not_http_is_a_hiccup() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]

        def banner() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-secret-banner\r\n")

        threading.Thread(target=banner, daemon=True).start()
        says = hiccup(fetcher(f"{LOOPBACK}:{port}"), f"http://{LOOPBACK}:{port}/")
        assert "banner" not in says


def test_a_connection_that_breaks_off_is_a_hiccup(web: Web) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        handler.wfile.write(b"only this")

    assert hiccup(to(web), web.page("/a", page)) == "the connection to the image URL's host failed"


def test_a_refused_connection_is_a_hiccup() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    hiccup(fetcher(f"{LOOPBACK}:{port}"), f"http://{LOOPBACK}:{port}/")


# --- by time


def drip(handler: BaseHTTPRequestHandler) -> None:
    """One byte of the body at a time, each soon enough for any timeout between two bytes."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


def drip_header(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


def drip_informational(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.02)


def silence(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.recv(1)


@pytest.mark.parametrize("page", [drip, drip_header, drip_informational, silence])
def test_the_deadline_is_a_total(web: Web, page: Any) -> None:
    began = time.monotonic()
    assert "within 0.3 s" in refusal(to(web, deadline=0.3), web.page("/a", page))
    assert 0.25 < time.monotonic() - began < 3


def test_redirects_share_one_deadline(web: Web) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.15)
        handler.send_response(302)
        handler.send_header("location", f"{handler.path}a")
        handler.end_headers()

    for path in ("/a", "/aa", "/aaa", "/aaaa"):
        web.page(path, slow)
    assert "within 0.3 s" in refusal(to(web, deadline=0.3), f"{web.base}/a")


def test_a_look_up_that_hangs_ends_with_the_deadline() -> None:
    go_on = threading.Event()

    def hanging(host: str, port: int) -> Sequence[str]:
        go_on.wait(30)
        return ["8.8.8.8"]

    assert "looked up in time" in refusal(fetcher(resolve=hanging, deadline=0.1), "http://slow.test/")
    go_on.set()


# --- TLS, and the guard for other purposes


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for images.test, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    request = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=images.test"
    )
    names = "-addext subjectAltName=DNS:images.test"
    files = ["-keyout", path, "-out", path.with_suffix(".crt")]
    subprocess.run(["openssl", *f"{request} {names}".split(), *files], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def test_tls_is_checked_against_the_name_not_the_address(certificate: Path) -> None:
    def prepare(server: ThreadingHTTPServer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)

    trusting = ssl.create_default_context(cafile=str(certificate))
    known = names({"images.test": [LOOPBACK], "other.test": [LOOPBACK]})
    with serve(prepare) as web:
        web.answer("/cat.png", IMAGE)
        fetch = to(web, resolve=known, verify=trusting)
        assert fetch.fetch(f"https://images.test:{web.port}/cat.png") == IMAGE
        for url in (f"https://other.test:{web.port}/cat.png", f"https://127.0.0.1:{web.port}/cat.png"):
            assert refusal(fetch, url) == "the image URL's host has no valid TLS certificate"
        assert "certificate" in refusal(to(web, resolve=known), f"https://images.test:{web.port}/cat.png")
        assert web.visits == ["/cat.png"]


def test_the_guarded_client_serves_other_purposes(web: Web) -> None:
    web.answer("/hook", b"", status=204)
    with guarded_client(AllowList.parse([f"{LOOPBACK}:{web.port}"]), seconds=5) as client:
        assert client.post(f"{web.base}/hook", content=b"{}").status_code == 204
        redirect = client.get(web.answer("/a", status=302, location="/hook"))
        assert redirect.status_code == 302
        with pytest.raises(FetchError):
            client.get("http://10.0.0.1/")
    with guarded_client(AllowList(), seconds=5) as client, pytest.raises(FetchError):
        client.post(f"{web.base}/hook", content=b"{}")
    assert web.visits == ["/hook", "/a"]


def test_a_client_without_a_deadline_keeps_its_timeouts(web: Web) -> None:
    allow = AllowList.parse([f"{LOOPBACK}:{web.port}"])
    with guarded_client(allow, seconds=None) as client:
        assert client.get(f"{web.base}/cat.png").content == IMAGE
        with pytest.raises(httpx2.ReadTimeout):
            client.get(web.page("/a", silence), timeout=0.1)
