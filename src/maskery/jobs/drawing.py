"""A frame with what was found in it: coloured, outlined, boxed, blurred, cut out or filled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from maskery.core.arrays import Mask, Pixels
from maskery.core.errors import BadRequest, nearest
from maskery.core.labels import voc_palette
from maskery.core.result.capabilities import HasAlphaRows, HasClasses, HasInstances, HasScores, Result, capable, expect
from maskery.core.result.instances import Instance, painted
from maskery.core.result.meta import Colour
from maskery.encode.options import Options
from maskery.encode.raster.cutout import alpha_bands
from maskery.encode.raster.mask import colour_table
from maskery.encode.raster.privacy import blurred
from maskery.jobs.counting import CountsView

Style = Literal["masks", "outlines", "boxes", "blur", "cutout", "replace"]
STYLES: tuple[Style, ...] = get_args(Style)
HALF = 128


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """How frames are drawn.

    Attributes:
        style: One of ``STYLES``.
        color: Of the background of ``cutout`` and of what ``replace`` fills; red, green, blue, 0..255.
        strength: Side of the blocks of ``blur`` in pixels; 0 = by the frame's size.
        labels: Whether boxes have their class and number beside them.
    """

    style: Style = "masks"
    color: Colour = (0, 0, 0)
    strength: int = 0
    labels: bool = True


def style_of(name: str) -> Style:
    """The style of this name. Raises ``BadRequest``."""
    for style in STYLES:
        if style == name:
            return style
    raise BadRequest(f"There is no style {name!r}.", nearest(name, STYLES))


def drawn_frame(result: Result, pixels: Pixels, options: DrawOptions, counts: CountsView | None) -> Pixels:
    """(H, W, 3) uint8 RGB of the frame ``pixels``, which is not changed; of ``cutout`` (H, W, 4) RGBA.

    Raises ``BadRequest`` for a result that has nothing to draw in this style.
    """
    style = options.style
    if style == "cutout":
        return np.dstack([pixels, opacity(result)])
    if style == "blur":
        block = Options(strength=options.strength)
        return np.where((opacity(result) >= HALF)[:, :, None], blurred(pixels, block)(0, len(pixels)), pixels)
    if style == "replace":
        return np.where((opacity(result) >= HALF)[:, :, None], np.array(options.color, np.uint8), pixels)
    objects = capable(result, HasInstances)
    if objects and not any(one.mask for one in objects.instances):
        style = "boxes"  # of a model that gives no masks
    plain = style == "boxes" or not (objects or capable(result, HasClasses))
    marked = pixels if plain else _tinted(result, pixels, filled=style == "masks")
    if not plain and not objects:
        return marked
    return _annotated(result, marked, replace(options, style=style), counts)


def over_colour(pixels: Pixels, colour: Colour) -> Pixels:
    """(H, W, 4) RGBA laid over one colour, (H, W, 3); what is RGB already stays."""
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[:, :, 3:].astype(np.uint16)
    below = np.array(colour, np.uint16) * (255 - alpha)
    mixed: Pixels = ((pixels[:, :, :3] * alpha + below + 127) // 255).astype(np.uint8)
    return mixed


def opacity(result: Result) -> Pixels:
    """(H, W) uint8: how much of each pixel is something that was found; of a soft mask its alpha, else 0 or 255.

    Raises ``BadRequest`` for a result without pixels, and where all classes are wanted of a model without background.
    """
    width, height = result.meta.frame.size_wh
    if objects := capable(result, HasInstances):
        return (painted(objects.instances, (width, height)) > 0).view(np.uint8) * np.uint8(255)
    if soft := capable(result, HasAlphaRows):
        return np.concatenate(list(soft.alpha_rows()))
    return np.concatenate(list(alpha_bands(expect(result, HasClasses), height)))


def _tinted(result: Result, pixels: Pixels, filled: bool) -> Pixels:
    """Half colour, half photo where something is (``filled``), full colour along its border."""
    ids, colours, plain = _layer(result)
    something = ~plain[ids]
    tint = np.take(colours, ids, axis=0)
    mixed = (pixels >> 1) + (tint >> 1) + (pixels & tint & 1) if filled else pixels
    out = np.where(something[:, :, None], mixed, pixels) if filled else pixels.copy()
    edge = _edges(ids, 2 if max(pixels.shape) >= 900 else 1) & something
    out[edge] = tint[edge]
    return out


def _layer(result: Result) -> tuple[NDArray[np.unsignedinteger], Pixels, Mask]:
    """(H, W) numbers; by number its colour, (n, 3), and whether the photo stays there as it is, (n,)."""
    if objects := capable(result, HasInstances):
        colours = np.array([(0, 0, 0), *(colour_of(one, result) for one in objects.instances)], np.uint8)
        return painted(objects.instances, result.meta.frame.size_wh), colours, np.arange(len(colours)) == 0
    mapped = expect(result, HasClasses)
    plain = np.zeros(mapped.unlabelled + 1, np.bool_)
    plain[len(result.meta.labels) :] = True
    if result.meta.background is not None:
        plain[result.meta.background] = True
    return np.concatenate(list(mapped.rows())), colour_table(mapped), plain


def _edges(ids: NDArray[np.unsignedinteger], reach: int) -> Mask:
    """(H, W): pixels with another number ``reach`` pixels to a side, above or below."""
    edge = np.zeros(ids.shape, np.bool_)
    across, down = ids[:, reach:] != ids[:, :-reach], ids[reach:] != ids[:-reach]
    edge[:, reach:] |= across
    edge[:, :-reach] |= across
    edge[reach:] |= down
    edge[:-reach] |= down
    return edge


def colour_of(one: Instance, result: Result) -> Colour:
    """Of an object with a number its own, the same in all frames; else that of its class."""
    if one.track_id is None:
        return result.meta.palette[one.class_id]
    palette = voc_palette(64)
    return palette[1 + (one.track_id * 7) % 63]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _annotated(result: Result, pixels: Pixels, options: DrawOptions, counts: CountsView | None) -> Pixels:
    """With boxes, names, trails, lines and zones, as there are."""
    image = Image.fromarray(pixels)
    draw, size = ImageDraw.Draw(image), max(11, min(image.size) // 36)
    if counts is not None:
        _draw_places(draw, counts, size)
    if objects := capable(result, HasInstances):
        for one in reversed(objects.instances):
            colour = colour_of(one, result)
            if options.style == "boxes":
                draw.rectangle(one.box_xyxy, outline=colour, width=max(1, size // 7))
            if counts is not None and one.track_id is not None:
                _draw_trail(draw, counts.trails.get(one.track_id, ()), colour, size)
            if options.labels:
                name = result.meta.labels[one.class_id]
                number = "" if one.track_id is None else f" {one.track_id}"
                _draw_label(draw, f"{name}{number}", one.box_xyxy[:2], colour, size)
    elif options.style == "boxes" and (mapped := capable(result, HasClasses)):
        for share in mapped.classes:
            if share.id != result.meta.background:
                draw.rectangle(share.box_xyxy, outline=share.colour, width=max(1, size // 7))
                _draw_label(draw, share.name, share.box_xyxy[:2], share.colour, size)
    elif scored := capable(result, HasScores):
        for row, (name, score) in enumerate(scored.top(3)):
            _draw_label(draw, f"{name} {score:.0%}", (4, (size + 6) * (row + 1)), (0, 0, 0), size)
    return np.asarray(image)


def _draw_places(draw: ImageDraw.ImageDraw, counts: CountsView, size: int) -> None:
    """Lines and zones with what was counted there so far."""
    for line, into, out in counts.lines:
        draw.line([line.start, line.end], fill=(255, 214, 10), width=max(2, size // 5))
        _draw_label(draw, f"{line.name}: in {into}, out {out}", line.start, (120, 96, 0), size)
    for zone, inside in counts.zones:
        draw.polygon(zone.corners, outline=(255, 214, 10), width=max(1, size // 7))
        _draw_label(draw, f"{zone.name}: {inside}", zone.corners[0], (120, 96, 0), size)


def _draw_trail(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: Colour, size: int) -> None:
    if len(points) > 1:
        draw.line(list(points), fill=colour, width=max(1, size // 6), joint="curve")


def _draw_label(draw: ImageDraw.ImageDraw, text: str, at: tuple[float, float], colour: Colour, size: int) -> None:
    """The text on a plate of the colour, its lower left corner at ``at``, moved so that it is inside of the picture."""
    font = _font(size)
    left, _, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom + 4
    x = min(max(0.0, at[0]), draw.im.size[0] - width)
    y = min(max(0.0, at[1] - height), draw.im.size[1] - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    light = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 140
    draw.text((x + 3, y + 1), text, fill=(0, 0, 0) if light else (255, 255, 255), font=font)
