"""Named label sets and palettes that several models and data sets share."""

import re
from collections.abc import Sequence
from functools import cache

Colour = tuple[int, int, int]

IGNORE = 255
"""The value of mask pixels that have no class: they are neither learnt from nor measured."""

VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tv",
)  # fmt: skip

CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip

# The eleven classes of the SegNet split of CamVid, in its order; 11 is void.
CAMVID = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip

# The parts of CelebAMask-HQ under its own names. Left is the person's own left, mostly the picture's right; a
# mirrored picture swaps l_eye/r_eye, l_brow/r_brow and l_ear/r_ear.
CELEBAMASK = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip",
    "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Names that mean the same thing in different data sets, each mapped to the VOC spelling.
SYNONYMS = {
    "airplane": "aeroplane",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "couch": "sofa",
    "tvmonitor": "tv",
    "tv monitor": "tv",
    "television": "tv",
    "automobile": "car",
    "human": "person",
    "people": "person",
}
_COCO_SUFFIX = re.compile(r"(-other)?-(merged|stuff)$")  # of COCO's joined classes: wall-other-merged is wall


def same_name(name: str) -> str:
    """The common spelling of a class name: lower case, spaces, VOC's word where sets differ, without COCO's -merged."""
    plain = " ".join(_COCO_SUFFIX.sub("", name.strip().lower()).replace("_", " ").replace("-", " ").split())
    return SYNONYMS.get(plain, plain)


def fault_of_names(names: Sequence[str]) -> str:
    """What is wrong with the names of classes, as a sentence: one is blank or comes twice. Empty where nothing is."""
    if not names:
        return "There is no class."
    blank = next((i for i, name in enumerate(names) if not name.strip()), None)
    if blank is not None:
        return f"The name of class {blank} is blank."
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    return "" if twice is None else f"Two classes are called {twice!r}."


def names_among(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """``names``, as text with commas was cut, with those put together again that are one of ``known`` with commas.

    ("disc", "round") is "disc, round" where there is that class and not both of the others. Blanks at the ends of names
    do not count. What is not known stays as it is.
    """
    if all(name in known for name in names):
        return tuple(names)
    whole = {_cut(label): label for label in reversed(known)}
    parts, found = _cut(",".join(names)), list[str]()
    while parts:
        size = next((n for n in range(len(parts), 0, -1) if parts[:n] in whole), 1)
        found.append(whole.get(parts[:size], parts[0]))
        parts = parts[size:]
    return tuple(found)


def _cut(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def voc_palette(size: int = 256) -> list[Colour]:
    """The Pascal VOC colour map: bit 3k of the id feeds the k-th highest bit of red, 3k+1 green, 3k+2 blue.

    Shared: do not change it.
    """
    palette = []
    for label in range(size):
        rgb = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                rgb[channel] |= (label >> (3 * bit + channel) & 1) << (7 - bit)
        palette.append((rgb[0], rgb[1], rgb[2]))
    return palette


LABEL_SETS: dict[str, tuple[str, ...]] = {
    "voc": VOC,
    "cityscapes": CITYSCAPES,
    "camvid": CAMVID,
    "celebamask": CELEBAMASK,
    "cifar10": CIFAR10,
}

# The colours in which these sets are usually shown, one a label; the other sets take the VOC colour map.
PALETTES: dict[str, tuple[Colour, ...]] = {
    "cityscapes": (
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
        (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
        (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
    "camvid": (
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
        (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    "celebamask": (
        (0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204), (0, 255, 255),
        (255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0), (0, 0, 153), (0, 0, 204),
        (255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51), (0, 204, 0),
    ),
}  # fmt: skip


def palette_of(labels: Sequence[str]) -> list[Colour]:
    """One (red, green, blue) a label: the set's own colours where ``labels`` are a known set, else the VOC colours."""
    own = next((PALETTES[name] for name in PALETTES if LABEL_SETS[name] == tuple(labels)), None)
    return list(own) if own else voc_palette(len(labels))
