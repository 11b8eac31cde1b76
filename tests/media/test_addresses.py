from __future__ import annotations

from ipaddress import ip_address

import pytest

from rushes.core.errors import SetupError
from rushes.media.addresses import AllowList, is_public

PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "2001:0:808:808:0:0:f7f7:f7f7",  # Teredo: server 8.8.8.8, client 8.8.8.8
]

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "100::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "2001:0:808:808:0:0:80ff:fffe",  # Teredo: client 127.0.0.1
    "2001:0:7f00:1:0:0:f7f7:f7f7",  # Teredo: server 127.0.0.1
]

WRONGLY_GLOBAL = [
    "224.0.0.1",
    "239.255.255.250",
    "192.88.99.1",  # the anycast of 6to4 relays
    "ff02::1",
    "ff0e::1",
    "fec0::1",
    "feff::1",
    "::127.0.0.1",
    "::7f00:1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
]
"""`is_global` holds for these in Python 3.11, or held for a while."""


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", [*NOT_PUBLIC, *WRONGLY_GLOBAL])
def test_not_public(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not AllowList().permits(ip_address(text), 80)


@pytest.mark.parametrize(
    ("entry", "address", "port", "permitted"),
    [
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 8080, False),
        ("10.0.0.0/8", "11.0.0.1", 8080, False),
        ("10.0.0.0/8:8080", "10.1.2.3", 8080, True),
        ("10.0.0.0/8:8080", "10.1.2.3", 80, False),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "127.0.0.2", 9000, False),
        ("127.0.0.1:9000", "::ffff:127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "::1", 9000, False),
        ("fd00::/8", "fd00::5", 443, True),
        ("[fd00::/8]:8443", "fd00::5", 8443, True),
        ("[fd00::/8]:8443", "fd00::5", 443, False),
        ("[::1]", "::1", 80, True),
        ("8.8.8.8:8080", "8.8.8.8", 8080, True),
        ("8.8.8.8:8080", "8.8.8.8", 22, False),
    ],
)
def test_an_entry_permits_its_network_and_port(entry: str, address: str, port: int, permitted: bool) -> None:
    assert AllowList.parse([entry]).permits(ip_address(address), port) is permitted


def test_public_addresses_need_no_entry_but_the_webs_ports() -> None:
    assert AllowList().permits(ip_address("8.8.8.8"), 443)
    for port in (22, 25, 8080):
        assert not AllowList().permits(ip_address("8.8.8.8"), port)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "localhost",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/8:",
        "10.0.0.0/8:x",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "[::1",
        "[::1]8443",
    ],
)
def test_an_entry_that_cannot_be_read_is_named(entry: str) -> None:
    with pytest.raises(SetupError, match="cannot be read"):
        AllowList.parse(["10.0.0.0/8", entry])
