"""Nested lists are those of ``json.dumps``, character by character; whatever XML can hold comes back."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskery.core.arrays import ClassMap
from maskery.encode import text
from maskery.encode.text import encode_map, hex_colour, xml_text


def plain(ids: ClassMap) -> bytes:
    return json.dumps(ids.tolist(), separators=(",", ":")).encode()


SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)


@given(hnp.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 9, 10, 20, 99, 100, 255])))
def test_small_maps(ids: ClassMap) -> None:
    assert encode_map(ids) == plain(ids)


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 256), (np.uint16, 65_536)])
@pytest.mark.parametrize("repeat", [1, 7, 200])
def test_short_and_long_runs(dtype: type[np.uint8], top: int, repeat: int) -> None:
    rng = np.random.default_rng(repeat)
    ids = np.repeat(rng.integers(0, top, (60, 5)).astype(dtype), repeat, axis=1)
    assert encode_map(ids) == plain(ids)


@pytest.mark.parametrize("long_runs", [0, 10_000])
def test_both_ways_give_the_same(monkeypatch: pytest.MonkeyPatch, long_runs: int) -> None:
    monkeypatch.setattr(text, "LONG_RUNS", long_runs)
    for repeat in (1, 3, 50):
        ids = np.repeat(np.random.default_rng(1).integers(0, 21, (9, 4)).astype(np.uint8), repeat, axis=1)
        assert encode_map(ids) == plain(ids)


def test_a_map_that_is_a_view_of_another() -> None:
    wide = np.random.default_rng(2).integers(0, 3, (20, 30)).astype(np.uint8)
    for ids in (wide[::2, 3:20], wide.T, np.asfortranarray(wide)):
        assert encode_map(ids) == plain(ids)
    flat = np.zeros((50, 400), np.uint8)[:, 5:301]
    assert encode_map(flat) == plain(flat)


@given(words=st.text())
def test_any_text_comes_back(words: str) -> None:
    """Whatever XML can hold at all; the rest is replaced, one for one."""
    tree = ElementTree.fromstring(f'<a b="{xml_text(words)}">{xml_text(words)}</a>')
    for found in (tree.get("b"), tree.text or ""):
        assert found is not None
        assert len(found) == len(words)
        assert all(a in (b, "\ufffd") for a, b in zip(found, words, strict=True))


def test_what_is_escaped() -> None:
    assert xml_text("""a<b>&"c'\0""") == """a&lt;b&gt;&amp;&quot;c'\ufffd"""
    label = "é \n模型"
    assert ElementTree.fromstring(f'<a b="{xml_text(label)}"/>').get("b") == label


def test_colours() -> None:
    assert hex_colour((0, 15, 255)) == "#000fff"
