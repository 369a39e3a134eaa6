import json

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.capabilities import Result
from maskery.core.version import __version__
from maskery.encode.options import HELP, Options
from maskery.encode.registry import ENCODERS, encode, find, for_suffix, parse_options, wanted_maps
from maskery.inference.tasks.registry import TASKS
from tests.encode.results import classification, foreground, halves, instances, opened, photo, with_maps

RESULTS: list[Result] = [with_maps(halves()), foreground(halves() * 100), classification(), instances()]
FIRST_BYTES = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8",
    "image/svg+xml": b"<?xml",
    "application/json": b"{",
    "application/geo+json": b"{",
    "application/xml": b"<?xml",
    "application/x-npy": b"\x93NUMPY",
    "application/x-npz": b"PK",
    "application/zip": b"PK",
    "text/csv": b"class,",
    "text/plain": b"",
}


CHOICES = {
    "tolerance": "1.5",
    "gap_free": "true",
    "min_area": "50",
    "strength": "5",
    "outside": "true",
    "color": "ff8000",
    "depth": "16",
    "details": "true",
    "maps": "entropy",
    "shape": "polygon",
    "file_name": "cat.jpg",
    "from_name": "tag",
    "to_name": "img",
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.meta.task)
def test_every_format_of_every_task(name: str, result: Result) -> None:
    encoder = ENCODERS[name]
    assert encoder.name == name
    if not encoder.fits(result):
        with pytest.raises(BadRequest, match=rf"{name} does not fit a {result.meta.task} result.*json, summary, "):
            encode(result, name)
        return
    data = encode(result, name, photo((12, 16)) if encoder.needs_photo else None)
    assert data.removeprefix(b"[").startswith(FIRST_BYTES[encoder.media_type])
    assert encode(result, name, photo((12, 16)) if encoder.needs_photo else None) == data


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.meta.task)
def test_a_format_takes_every_option_that_it_names(name: str, result: Result) -> None:
    encoder = ENCODERS[name]
    unknown = {"semantic": set(), "instance": {"maps", "gap_free"}}.get(result.meta.task, {"maps"})
    fitting = encoder.options - unknown
    if not encoder.fits(result) or (encoder.options and not fitting):
        return
    options = parse_options({option: CHOICES[option] for option in fitting}, name)
    picture = photo((12, 16)) if encoder.needs_photo else None
    assert (encode(result, name, picture, options) == encode(result, name, picture)) == (not encoder.options)


@pytest.mark.parametrize("name", [n for n, e in ENCODERS.items() if "json" in e.media_type])
def test_every_json_says_where_it_comes_from(name: str) -> None:
    text = encode(next(one for one in RESULTS if ENCODERS[name].fits(one)), name).decode()
    assert f'"software":"Maskery {__version__}"' in text
    assert f'"model":{{"name":"tiny","version":"1.2","sha256":"{"ab" * 32}"}}' in text
    assert '"frame":{"original":{"width":16,"height":12}' in text


def test_unknown_format_names_the_nearest() -> None:
    with pytest.raises(BadRequest, match="'overlay'"):
        encode(RESULTS[0], "overlya")
    with pytest.raises(BadRequest, match="Known: overlay, "):
        find("tiff", TASKS["semantic"])


@pytest.mark.parametrize("picture", [None, photo((12, 15)), np.zeros((12, 16, 3)), np.zeros((12, 16), np.uint8)])
@pytest.mark.parametrize("name", [name for name, encoder in ENCODERS.items() if encoder.needs_photo])
def test_a_photo_that_is_missing_or_does_not_fit(name: str, picture: np.ndarray | None) -> None:
    with pytest.raises(BadRequest, match=r"\(12, 16, 3\)"):
        encode(next(one for one in RESULTS if ENCODERS[name].fits(one)), name, picture)


def test_suffixes() -> None:
    found = {
        suffix: for_suffix(suffix) for suffix in (".png", ".jpg", ".JPEG", ".json", ".npy", ".npz", ".geojson", ".svg")
    }
    assert found == {
        ".png": "mask",
        ".jpg": "overlay-jpeg",
        ".JPEG": "overlay-jpeg",
        ".json": "json",
        ".npy": "npy",
        ".npz": "npz",
        ".geojson": "geojson",
        ".svg": "svg",
    }
    for suffix, name in found.items():
        assert ENCODERS[name].suffix[:3] == suffix[:3].lower()
    with pytest.raises(BadRequest, match="tif"):
        for_suffix(".tif")


def test_an_option_reaches_only_a_format_that_understands_it() -> None:
    deep = parse_options({"depth": "16"}, "entropy")
    assert opened(encode(RESULTS[0], "entropy", options=deep)).mode == "I;16"
    with pytest.raises(BadRequest, match=r"mask has no option 'depth'\. It takes none"):
        encode(RESULTS[0], "mask", options=deep)
    with pytest.raises(BadRequest, match="Did you mean 'depth'"):
        parse_options({"detph": "16"}, "entropy")
    with pytest.raises(BadRequest, match="Did you mean 'entropy'"):
        parse_options({}, "entropie")


def test_every_option_is_understood_somewhere_and_no_other() -> None:
    assert set().union(*(encoder.options for encoder in ENCODERS.values())) == set(HELP) == set(CHOICES)


def test_maps_that_a_result_must_have() -> None:
    assert wanted_maps("mask") == ()
    assert wanted_maps("margin") == ("margin",)
    assert wanted_maps("npz", Options(maps=("entropy", "margin"))) == ("entropy", "margin")


@pytest.mark.parametrize("name", [name for name, e in ENCODERS.items() if e.media_type == "image/png"])
def test_every_png_says_where_it_comes_from(name: str) -> None:
    result = next(one for one in RESULTS if ENCODERS[name].fits(one))
    picture = opened(encode(result, name, photo((12, 16)) if ENCODERS[name].needs_photo else None))
    assert picture.info["Software"] == f"Maskery {__version__}"
    found = json.loads(picture.info["maskery:provenance"])
    assert found["model"] == {"name": "tiny", "version": "1.2", "sha256": "ab" * 32}
    assert found["frame"]["original"] == {"width": 16, "height": 12}
