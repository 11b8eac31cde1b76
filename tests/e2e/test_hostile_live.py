"""What one client does to a real server is no other client's trouble: a 4xx for him, and memory that stays bounded."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import psutil
import pytest

from tests.e2e.served import GMI, KEY, Server, serve

MEGABYTE = 1_000_000
BODY_LIMIT = 4 * MEGABYTE
GROWTH = 120 * MEGABYTE
AUTHORIZED = f"Authorization: Bearer {KEY}\r\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("hostile") / "data"
    with serve(data, workers=0, max_body_bytes=BODY_LIMIT) as server:
        yield server


def connect(server: Server) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=20)


def status_of(line: socket.socket) -> int:
    """The status of the answer; 0 when the server hung up without one."""
    told = b""
    with suppress(ConnectionError):
        while b"\r\n" not in told and (part := line.recv(65536)):
            told += part
    return int(told.split()[1]) if told.startswith(b"HTTP/1.1 ") else 0


def send_all(line: socket.socket, parts: Iterator[bytes]) -> int:
    """How many bytes the server took before it hung up."""
    taken = 0
    with suppress(ConnectionError):
        for part in parts:
            line.sendall(part)
            taken += len(part)
    return taken


def resident(server: Server) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


def test_bodies_that_never_end_cost_no_memory(server: Server) -> None:
    server.submit({"prompt": "warm"})
    before = resident(server)
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = f"POST {GMI}/requests HTTP/1.1\r\nHost: x\r\n".encode() + AUTHORIZED
    for _ in range(5):
        with closing(connect(server)) as line:
            line.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            taken = send_all(line, (chunk for _ in range(1000)))
            assert taken < 1000 * len(chunk) or status_of(line) == 413
    for _ in range(5):
        with closing(connect(server)) as line:
            line.sendall(head + b"Content-Length: 10000000000\r\n\r\n")
            assert status_of(line) == 413
    assert resident(server) - before < GROWTH
    assert server.call("GET", "/healthz").status_code == 200


def test_hostile_json_costs_no_memory(server: Server) -> None:
    bodies = [
        b"[" * BODY_LIMIT,
        b'{"a":' * (BODY_LIMIT // 5),
        b'{"model": "kling-v2-6", "payload": {"a": [' + b"0," * (BODY_LIMIT // 2 - 100) + b"0]}}",
        json.dumps({"model": "kling-v2-6", "payload": {"prompt": "x", "image": "A" * 3_900_000}}).encode(),
        b'{"model": "kling-v2-6", "payload": {"prompt": "' + b"\\u0041" * 600_000 + b'"}}',
        b"\xff" * BODY_LIMIT,
    ]
    before = resident(server)
    for _ in range(3):
        for body in bodies:
            answer = server.call("POST", f"{GMI}/requests", content=body)
            assert answer.status_code == 400
            assert "invalid payload parameters" in answer.json()["error"]
    assert resident(server) - before < GROWTH


def test_headers_that_never_end_are_cut_off(server: Server) -> None:
    before = resident(server)
    for head in (b"", AUTHORIZED):
        with closing(connect(server)) as line:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + head)
            taken = send_all(line, (b"X-%d: " % number + b"y" * 60_000 + b"\r\n" for number in range(2000)))
            assert taken < 30 * MEGABYTE
            assert status_of(line) in (0, 400, 431)
        with closing(connect(server)) as line:
            taken = send_all(line, (b"GET /" + b"x" * 60_000 for _ in range(2000)))
            assert taken < 30 * MEGABYTE
            assert status_of(line) in (0, 400, 414, 431)
    head = f"POST {GMI}/requests HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n".encode()
    with closing(connect(server)) as line:
        line.sendall(head + AUTHORIZED + b"\r\n1\r\n{\r\n0\r\n")
        taken = send_all(line, (b"X-%d: " % number + b"y" * 60_000 + b"\r\n" for number in range(2000)))
        assert taken < 30 * MEGABYTE
    assert resident(server) - before < GROWTH
    assert server.call("GET", "/healthz").status_code == 200


def test_a_long_head_is_served_and_a_longer_one_told_why(server: Server) -> None:
    for size, status in ((30_000, 200), (400_000, 431)):
        with closing(connect(server)) as line:
            send_all(line, iter([b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * size, b"\r\n\r\n"]))
            assert status_of(line) in (status, 0 if status == 431 else status)


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_400(server: Server, said: bytes) -> None:
    with closing(connect(server)) as line:
        line.sendall(said)
        line.shutdown(socket.SHUT_WR)
        assert status_of(line) in (0, 400, 404)
    assert server.call("GET", "/healthz").status_code == 200


def test_slow_clients_hold_nobody_up(server: Server) -> None:
    head = f"POST {GMI}/requests HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n".encode() + AUTHORIZED
    lines = [connect(server) for _ in range(200)]
    try:
        for number, line in enumerate(lines):
            line.sendall(head[: 20 if number % 2 else None] + (b"" if number % 2 else b"\r\n{"))
        assert server.call("GET", f"{GMI}/models").status_code == 200
        assert server.record(server.submit({"prompt": "a boat"}))["status"] == "queued"
    finally:
        for line in lines:
            line.close()
    assert server.call("GET", "/healthz").status_code == 200


def test_a_slow_client_does_not_keep_the_server_from_ending(server: Server) -> None:
    head = f"POST {GMI}/requests HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n".encode() + AUTHORIZED
    with closing(connect(server)) as line:
        line.sendall(head + b"\r\n{")
        assert server.call("GET", "/healthz").status_code == 200
        assert server.stop(20) == 0
