from ipaddress import ip_address

import pytest

from maskery.serving.remote import address


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.215.14",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "169.253.255.255",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.255",
        "2606:2800:220:1:248:1893:25c8:1946",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_public(text: str) -> None:
    assert address.reach(text) == "public"


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"]
)
def test_private(text: str) -> None:
    assert address.reach(text) == "private"


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "224.0.0.1",
        "fe80::1%lo",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:808:808::1",
        "::8.8.8.8",
        "::ffff:0:8.8.8.8",
    ],
)
def test_closed_even_to_the_allow_list(text: str) -> None:
    assert address.reach(text) == "closed"


def test_no_public_address_is_one_that_python_calls_private() -> None:
    """A second opinion, over the whole of IPv4 in steps and at every border of a range."""
    borders = [
        ip_address(int(edge) + step)
        for network in (*address._PRIVATE, *address._CLOSED)
        if network.version == 4
        for edge in (network.network_address, network.broadcast_address)
        for step in (-1, 0, 1)
        if 0 <= int(edge) + step < 1 << 32
    ]
    for candidate in [*borders, *(ip_address(number) for number in range(0, 1 << 32, 65_521))]:
        if address.reach(str(candidate)) == "public":
            assert candidate.is_global
            assert not candidate.is_multicast


def test_own_addresses() -> None:
    assert address.is_own("127.0.0.1")
    assert not address.is_own("93.184.215.14")
    assert not address.is_own("2606:2800:220:1::1")
