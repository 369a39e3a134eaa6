"""Golden answers of every model, and of the built-in ones in every format."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.golden import pictures
from tests.golden.case import Case, array_case, case_of, json_case, text_case
from tests.golden.workplace import BUILT_IN, Workplace

FORMATS = (
    "overlay", "overlay-jpeg", "mask", "mask16", "color", "cutout", "blur", "blur-jpeg", "pixelate", "pixelate-jpeg",
    "replace", "replace-jpeg", "confidence", "entropy", "margin", "json", "summary", "npy", "npz", "polygons",
    "geojson", "svg", "coco", "coco-rle", "yolo", "labelme", "cvat", "label-studio",
)  # fmt: skip
MAPS = ("confidence", "entropy", "margin")
CLASSIFIERS = ("cifar10", "mobilenetv3-small-imagenet-224")
# What a picture of every format is of, and which classes are kept.
SHOWN: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "cifar10": (("cat", ()), ("turned", ())),
    "everyday": (("cat", ()), ("turned", ("person",))),
    "face-finder": (("person", ()),),
    "faces": (("person", ()), ("cat", ())),
    "streets": (("person", ()), ("turned", ("sky", "building"))),
}


def of_model(place: Workplace, name: str) -> dict[str, Case]:
    """Class map, soft mask or scores, and summary of the model ``name`` on all small pictures."""
    found: dict[str, Case] = {}
    model = place.model(name)
    for picture in ("person", "cat", "turned", "grey", "transparent"):
        if name not in BUILT_IN and picture in ("grey", "transparent"):
            continue
        result = model.segment(pictures.NAMED[picture]())
        found[f"{picture} npy"] = case_of(result.encode("npy"))
        found[f"{picture} class_map"] = _or_refusal(partial(_class_map, result))
        found[f"{picture} summary"] = json_case(result.summary())
    return found


def of_formats(place: Workplace, name: str) -> dict[str, Case]:
    """Every format of the built-in model ``name``; what is said of one that does not fit."""
    found: dict[str, Case] = {}
    model = place.model(name)
    for picture, classes in SHOWN[name]:
        maps = MAPS if name not in CLASSIFIERS else ()
        result = model.segment(pictures.NAMED[picture](), **({"classes": classes} if classes else {}), maps=maps)
        for format in FORMATS:
            found[f"{picture} {format}"] = _or_refusal(partial(_encoded, result, format))
    return found


def of_inputs(place: Workplace) -> dict[str, Case]:
    """What may be given: kinds of files, arrays, paths; tiles, sides, classes, maps."""
    model, data, large = place.model("everyday"), pictures.pixels(), pictures.large()
    found = {
        f"file {kind}": case_of(model.segment(picture).encode("mask")) for kind, picture in pictures.kinds().items()
    }
    (place.folder / "input.png").write_bytes(pictures.cat())
    sources = {"array": data, "grey array": data[..., 0], "path": place.folder / "input.png"}
    found |= {f"given {name}": array_case(model.segment(source).class_map) for name, source in sources.items()}
    for name, how in (("tile", {"tile": 512}), ("no tile", {"tile": 0}), ("side", {"max_side": 256})):
        found[f"large {name}"] = json_case(model.segment(large, **how).summary())
        found[f"large {name} mask"] = case_of(model.answer(large, "mask", **how))
    for format in ("overlay", "cutout", "json", "summary", "color", "entropy", "coco", "blur-jpeg"):
        found[f"answer {format}"] = case_of(model.answer(large, format, classes=("cat", "background")))
    for name, source in (("broken", pictures.broken()), ("text", b"no picture"), ("empty", b"")):
        found[f"refused {name}"] = _or_refusal(partial(_segmented, model, source))
    wrong: dict[str, dict[str, Any]] = {
        "class": {"classes": ("cta",)},
        "side": {"max_side": 9},
        "map": {"maps": ("x",)},
    }
    for name, how in wrong.items():
        found[f"refused {name}"] = _or_refusal(partial(_segmented, model, data, how))
    return found


def _or_refusal(answer: Callable[[], Case]) -> Case:
    """An answer, or the package's own error in its place."""
    try:
        return answer()
    except Exception as error:
        if not type(error).__module__.startswith("maskery"):
            raise
        return text_case(str(error), error=type(error).__name__)


def _class_map(result: Any) -> Case:
    return array_case(result.class_map)


def _encoded(result: Any, format: str) -> Case:
    return case_of(result.encode(format))


def _segmented(model: Any, source: Any, how: dict[str, Any] | None = None) -> Case:
    return array_case(model.segment(source, **(how or {})).class_map)
