"""Named label sets and palettes that several models and data sets share."""

from functools import cache

VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tv",
)  # fmt: skip

CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip

# Names that mean the same thing in different data sets, each mapped to the VOC spelling.
SYNONYMS = {
    "airplane": "aeroplane",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "couch": "sofa",
    "tvmonitor": "tv",
}


@cache
def voc_palette(size: int = 256) -> list[tuple[int, int, int]]:
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


LABEL_SETS: dict[str, tuple[str, ...]] = {"voc": VOC, "cityscapes": CITYSCAPES}
