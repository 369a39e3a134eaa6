"""Where the server may connect for a caller: the public internet, and by no detour anything else.

The ranges are those of IANA's special-purpose registries, which ``ipaddress.is_global`` follows in no Python, and some
that no registry lists. In IPv6 only global unicast is public, so that a range unknown here is closed.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

Reach = Literal["public", "private", "closed"]
"""private: of one's own network, reached only where the allow-list says so; closed: never reached."""

_PRIVATE = [
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",  # unique local
    )
]
_CLOSED = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # metadata of a cloud (Alibaba), in the NAT range
        "168.63.129.16/32",  # the host's services for its guests (Azure), in a public range
        "169.254.0.0/16",  # link-local, with most clouds' metadata
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID ...
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone
        "3fff::/20",  # documentation
        "fd00:ec2::254/128",  # metadata of a cloud (AWS), in the unique local range
        "fd20:ce::254/128",  # metadata of a cloud (Google), in the unique local range
    )
]
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Networks without IPv4 reach all of IPv4 through this prefix, so it counts as the address that it holds.
_NAT64 = IPv6Network("64:ff9b::/96")


def reach(text: str) -> Reach:
    """How the address ``text`` is to be treated. Raises ``ValueError`` when it is none."""
    address = _meant(ip_address(text))
    if any(address in network for network in _CLOSED):
        return "closed"
    if any(address in network for network in _PRIVATE):
        return "private"
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_UNICAST or _is_isatap(address)):
        return "closed"
    return "public"


def is_own(text: str) -> bool:
    """Whether the address is this machine's own: its services may be hidden from the world, but not from itself.

    Asks the routing table; nothing is sent.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((text, 9))
            return ip_address(probe.getsockname()[0]) == ip_address(text)
    except OSError:
        return False  # no way there


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside of a v4-mapped or NAT64 one; any other stays as it is."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_isatap(address: IPv6Address) -> bool:
    """Whether the last 64 bits are ISATAP's 0000:5efe or 0200:5efe and an IPv4 address, which a tunnel would unpack."""
    return int(address) >> 32 & 0xFDFF_FFFF == 0x0000_5EFE
