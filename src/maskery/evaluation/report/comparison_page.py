"""A comparison as a page: agreement, quality, speed and memory, and the pictures where the two differ most."""

import numpy as np

from maskery.core.labels import IGNORE
from maskery.core.plan import RunOptions
from maskery.evaluation.confusion import SegmentationScores
from maskery.evaluation.matching import BACKGROUND
from maskery.evaluation.measurement import Comparison
from maskery.evaluation.report import html, thumbnails
from maskery.evaluation.segmentation import class_map, open_picture
from maskery.inference.pipeline import Model

SHOWN = 12
MEGABYTE = 1e6
PAIRED = "B takes the place of a data set: what is in no mask, B does not know, and wrong means different."


def sheet(found: Comparison, a: Model, b: Model, max_side: int | None = None) -> str:
    """HTML. The pictures with the least agreement are run once more to be shown."""
    title = f"A {found.a.name}, B {found.b.name}"
    parts = [
        html.section("Side by side", html.tiles(headline(found))),
        html.section(
            "Beside the truth",
            _qualities(found),
            hint="Difference: B less A. Classes that one of them does not know are not judged of that one.",
        ),
        html.section("Agreement by class", _agreement(found), hint="IoU of the one model's mask and the other's."),
        html.section("Where they differ most", _pictures(found, a, b, max_side)),
        html.section("How the classes were paired", html.bullets(found.matching.notes), hint=PAIRED),
        html.section("Models", html.facts(_models(found))),
    ]
    return html.document(title, f"the same {len(found.pictures)} pictures", parts)


def headline(found: Comparison) -> list[tuple[str, str]]:
    """The numbers of the whole."""
    items = [("pixels agreed on", f"{found.agreement:.1%}")]
    items += [(f"median of {side}", f"{spent:.1f} ms") for side, spent in zip("AB", found.median_ms, strict=True)]
    items.append(("time of A / time of B", f"{found.speed:.2f}"))
    if found.weights:
        items += [
            (f"peak memory of {side}", f"{w.peak / MEGABYTE:.0f} MB")
            for side, w in zip("AB", found.weights, strict=True)
        ]
    return items


def _qualities(found: Comparison) -> str:
    if found.qualities is None:
        return ""
    of_a, of_b = (one.scores for one in found.qualities)
    assert isinstance(of_a, SegmentationScores)
    assert isinstance(of_b, SegmentationScores)
    whole = {
        "mean IoU": (of_a.miou, of_b.miou),
        "pixel accuracy": (of_a.pixel_accuracy, of_b.pixel_accuracy),
        "frequency-weighted IoU": (of_a.fw_iou, of_b.fw_iou),
        "mean Dice": (of_a.mean_dice, of_b.mean_dice),
        "boundary F": (of_a.boundary_f, of_b.boundary_f),
    }
    rows = [_row(f"<b>{name}</b>", *values) for name, values in whole.items()]
    rows += [
        _row(html.escaped(name), one, other) for name, one, other in found.differences() if (one, other) != (None, None)
    ]
    return html.table(["", f"A {found.a.name}", f"B {found.b.name}", "Difference"], rows, "scores both")


def _row(name: str, one: float | None, other: float | None) -> list[str]:
    if one is None or other is None:
        return [name, html.bar(one), html.bar(other), html.number(None)]
    difference = other - one
    kind = "up" if difference >= 0.0005 else "down" if difference <= -0.0005 else "none"
    return [name, html.bar(one), html.bar(other), f'<span class="{kind}">{difference:+.3f}</span>']


def _agreement(found: Comparison) -> str:
    rows = [[html.escaped(name), html.bar(value)] for name, value in found.iou.items() if value is not None]
    return html.table(["Class", "IoU"], rows, "scores both")


def _pictures(found: Comparison, a: Model, b: Model, max_side: int | None) -> str:
    card, matching = found.a, found.matching
    colours = [card.colours[card.labels.index(label)] for label in matching.labels]
    plain = matching.labels.index(BACKGROUND) if BACKGROUND in matching.labels else None
    strips = []
    for index in np.argsort(found.shares, kind="stable")[:SHOWN]:
        path = found.pictures[int(index)]
        picture, run_options = open_picture(path), RunOptions(max_side=max_side)
        of_a, of_b = (class_map(model.run(picture, run_options)) for model in (a, b))
        photo = thumbnails.small(picture.rgb())
        one = thumbnails.fitted(matching.predicted[of_a], photo.shape)
        other = thumbnails.fitted(matching.truth[of_b], photo.shape)
        unknown = other == IGNORE
        shown = {
            "picture": photo,
            f"A {found.a.name}": thumbnails.over_grey(photo, one, colours, plain),
            f"B {found.b.name}": thumbnails.over_grey(photo, other, colours, plain),
            "different in red": thumbnails.marked(photo, (one != other) & ~unknown, unknown),
        }
        figures = [html.figure(thumbnails.data_url(pixels), caption) for caption, pixels in shown.items()]
        strips.append(html.strip(path.name, f"{found.shares[int(index)]:.1%} agreed", figures))
    return "".join(strips)


def _models(found: Comparison) -> list[tuple[str, str]]:
    facts = []
    for card in (found.a, found.b):
        facts.append((card.name, f"{card.version}, {card.licence.name}, {card.bytes / MEGABYTE:.1f} MB"))
        facts.append(("sha256", card.sha256))
    return facts
