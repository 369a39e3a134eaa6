from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskery.core.errors import BadUrl, ConfigError
from maskery.serving.remote.url import AllowList, parse


@pytest.mark.parametrize(
    ("text", "url", "port"),
    [
        ("http://example.org", "http://example.org/", 80),
        ("HTTPS://Example.ORG/Cat.JPG?Size=1", "https://example.org/Cat.JPG?Size=1", 443),
        ("http://example.org?x=1", "http://example.org/?x=1", 80),
        ("https://example.org:8443/a", "https://example.org:8443/a", 8443),
        ("https://example.org:443/a", "https://example.org/a", 443),
        ("http://xn--r8jz45g.jp/", "http://xn--r8jz45g.jp/", 80),
        ("http://my_bucket.example.org/", "http://my_bucket.example.org/", 80),
        ("http://93.184.215.14/", "http://93.184.215.14/", 80),
        ("http://[2606:2800:0220:1::0001]:8080/", "http://[2606:2800:220:1::1]:8080/", 8080),
        ("http://example.org/a%20b/@x:y", "http://example.org/a%20b/@x:y", 80),
        ("http://example.org/Bär.jpg?q=ü", "http://example.org/B%C3%A4r.jpg?q=%C3%BC", 80),
    ],
)
def test_plain_urls(text: str, url: str, port: int) -> None:
    target = parse(text)
    assert (target.url, target.port) == (url, port)
    assert parse(target.url) == target


@pytest.mark.parametrize(
    ("text", "address"),
    [("http://127.0.0.1/", True), ("http://[::1]/", True), ("http://a.b/", False), ("http://1.example/", False)],
)
def test_addresses_are_told_from_names(text: str, address: bool) -> None:
    assert parse(text).is_address is address


@pytest.mark.parametrize("text", ["http://127.1/", "http://a b/", "http://u:p@example.org/", "http://exämple.org/"])
def test_odd_forms_have_a_cure(text: str) -> None:
    with pytest.raises(BadUrl) as caught:
        parse(text)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("nas", ["http://nas/", "https://NAS:8443/x"], ["http://nas:9000/", "http://nas.example/", "http://xnas/"]),
        ("nas:9000", ["http://nas:9000/"], ["http://nas/", "https://nas:9001/"]),
        ("10.0.0.5", ["http://10.0.0.5/"], ["http://10.0.0.50/", "http://10.0.0.5:22/"]),
        ("[FD00::1]:9000", ["http://[fd00:0::1]:9000/"], ["http://[fd00::2]:9000/"]),
        (
            "*.example.org",
            ["http://a.example.org/", "http://a.b.example.org/"],
            ["http://example.org/", "http://aexample.org/"],
        ),
        ("*.example.org:81", ["http://a.example.org:81/"], ["http://a.example.org/"]),
    ],
)
def test_allow_list(entry: str, inside: list[str], outside: list[str]) -> None:
    allowed = AllowList((entry,))
    assert all(allowed.has(parse(text)) for text in inside)
    assert not any(allowed.has(parse(text)) for text in outside)


@pytest.mark.parametrize(
    "entry", ["*", "http://nas", "nas/x", "a b", "*.10.0.0.5", "nas:0", "10.0.0.0/8", "a.*.org", ""]
)
def test_an_entry_that_matches_nothing_is_an_error(entry: str) -> None:
    with pytest.raises(ConfigError, match="url_allow"):
        AllowList((entry,))


GOOD = "http://example.org:8080/cat.jpg?size=1"
PIECES = ("http://", "https://", "example.org", "127.0.0.1", "[::1]", ":80", "@", "/", "?", "#", "%2e", "\\")
TEXTS = st.one_of(
    st.text(),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=8).map("".join),
    st.tuples(st.integers(0, len(GOOD)), st.text(max_size=3)).map(lambda at: GOOD[: at[0]] + at[1] + GOOD[at[0] :]),
)


@given(TEXTS)
def test_any_text_is_a_plain_target_or_a_bad_url(text: str) -> None:
    try:
        target = parse(text)
    except BadUrl:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert parse(target.url) == target
    split = urlsplit(target.url)  # a second opinion
    assert (split.scheme, split.hostname, split.port or target.port) == (target.scheme, target.host, target.port)
    assert split.username is None
    assert not split.fragment


@given(TEXTS)
def test_any_entry_is_one_of_the_list_or_an_error(entry: str) -> None:
    with suppress(ConfigError):
        AllowList((entry,))
