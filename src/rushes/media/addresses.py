"""Which addresses may be reached on a stranger's word: the public internet on the web's ports, and what the operator
allows besides. Pure: nothing here opens a connection."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from rushes.core.errors import SetupError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

WEB_PORTS = frozenset({80, 443})

_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Not for public use, though `is_global` holds for them in one or another Python of today.
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001:10::/28", "2001:db8::/32", "3fff::/20")
)

# An IPv6 network needs brackets where a port follows: [fd00::/8]:8443.
_WITH_PORT = re.compile(r"(?:\[([^]]+)]|([^:\[\]]+))(?::([0-9]{1,5}))?")


def is_public(address: Address) -> bool:
    """True for an address of the public internet. IPv4 inside IPv6 (mapped, 6to4, NAT64, Teredo, ISATAP) counts as
    the IPv4 address that it leads to. Stricter than `is_global`, which holds for 224.0.0.1, ff02::1, fec0::1 and
    ::127.0.0.1."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inside(address)
        if address.ipv4_mapped is not None or address in _NAT64:
            return all(map(is_public, inner))
        if address not in _PUBLIC_V6 or not all(map(is_public, inner)):
            return False
        if inner:
            return True  # is_global does not hold for Teredo and 6to4 in every Python
    return (
        address.is_global and not address.is_multicast and not any(address in network for network in _NEVER)
    )


def _inside(address: ipaddress.IPv6Address) -> list[Address]:
    """The IPv4 addresses that packets to this IPv6 address may end at."""
    number = int(address)
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    if (number >> 32) & 0xFCFFFFFF == 0x00005EFE:  # ISATAP's interface id
        found.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


@dataclass(frozen=True)
class AllowList:
    """What may be reached besides public addresses on ports 80 and 443: networks, each with one port or the web's."""

    entries: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowList:
        """Each entry is `CIDR[:port]`: `10.0.0.0/8`, `127.0.0.1:9000`, `[fd00::/8]:8443`. Raises `SetupError`."""
        return cls(tuple(map(_parse_entry, entries)))

    def permits(self, address: Address, port: int) -> bool:
        if port in WEB_PORTS and is_public(address):
            return True
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(
            mapped in network and (port in WEB_PORTS if allowed is None else port == allowed)
            for network, allowed in self.entries
            if network.version == mapped.version
        )


def _parse_entry(entry: str) -> tuple[Network, int | None]:
    text = entry.strip()
    parts = _WITH_PORT.fullmatch(text)
    cidr, port = (parts[1] or parts[2], parts[3]) if parts else (text, None)
    try:
        network = ipaddress.ip_network(cidr)
        number = None if port is None else int(port)
        if number is not None and not 0 < number < 65536:
            raise ValueError(f"port {number} is not in 1…65535")
    except ValueError as error:
        raise SetupError(
            f"allow entry '{entry}' cannot be read: {error}",
            advice="Write CIDR or CIDR:port, such as 10.0.0.0/8, 127.0.0.1:9000 or [fd00::/8]:8443.",
        ) from error
    return network, number
