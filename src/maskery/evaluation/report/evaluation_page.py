"""A measurement as a page: numbers, classes, what is taken for what, the worst pictures, and how it was measured."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.core.labels import IGNORE
from maskery.core.result.meta import Colour
from maskery.evaluation.confusion import ClassificationScores, SegmentationScores
from maskery.evaluation.dataset import open_folders, open_masks
from maskery.evaluation.matching import BACKGROUND, OTHER
from maskery.evaluation.measurement import Measurement
from maskery.evaluation.report import html, thumbnails
from maskery.evaluation.segmentation import evaluate_picture
from maskery.inference.pipeline import Model

DEFINITIONS = "IoU = TP / (TP + FP + FN), Dice = 2 TP / (2 TP + FP + FN), accuracy = TP / (TP + FN)"

MOST = 40  # classes that a table still shows


def report(measured: Measurement, model: Model) -> str:
    """HTML. The worst pictures are run once more to be shown."""
    card, scores = measured.card, measured.scores
    what = "classes" if isinstance(scores, ClassificationScores) else "segmentation"
    title = f"{card.name} on {measured.root.name}, {measured.split}"
    subtitle = f"{what} of {measured.pictures} pictures, {len(measured.labels)} classes"
    parts = [
        html.section("Result", html.tiles(headline(scores))),
        html.section("Classes", classes(measured), hint=_hint(measured)),
        html.section("Taken for", matrix(measured.labels, measured.confusion), hint=MATRIX_HINT),
        html.section("Most frequent mistakes", mistakes(measured.labels, measured.confusion)),
        html.section("Worst pictures", worst(measured, model)),
        html.section("How the classes were paired", html.bullets(measured.notes)),
        html.section("How it was measured", html.facts(how(measured))),
    ]
    return html.document(title, subtitle, parts)


MATRIX_HINT = "Rows are the truth, columns what was predicted; per cent of the row, empty below half a per cent."


def headline(scores: SegmentationScores | ClassificationScores) -> list[tuple[str, str]]:
    """The numbers of the whole, the most important one first; none where the masks have one class of several only."""
    if isinstance(scores, ClassificationScores):
        named = {"Top-1": scores.top1, "Top-5": scores.top5, "mean accuracy of the classes": scores.mean_accuracy}
    elif scores.only is not None:
        return [
            ("no score", f"the masks have only {scores.only}" if scores.only else "the masks are ignored as a whole")
        ]
    else:
        named = {
            "mean IoU": scores.miou,
            "pixel accuracy": scores.pixel_accuracy,
            "frequency-weighted IoU": scores.fw_iou,
            "mean accuracy": scores.mean_accuracy,
            "mean Dice": scores.mean_dice,
            "boundary F": scores.boundary_f,
        }
    return [(name, f"{value:.4f}") for name, value in named.items() if value is not None]


def _hint(measured: Measurement) -> str:
    if isinstance(measured.scores, ClassificationScores):
        return (
            "Accuracy: the share of a class's pictures that were taken for it. Precision: of those taken for it, right."
        )
    return f"{DEFINITIONS}. Few pictures say little: their number is beside each class."


def classes(measured: Measurement) -> str:
    """A row a class, with a bar for what matters most."""
    scores, colours = measured.scores, _colours(measured)
    named = [(html.swatch(colours[i]) + html.escaped(label), label) for i, label in enumerate(measured.labels)]
    if isinstance(scores, ClassificationScores):
        rows = [
            [shown, html.bar(scores.accuracy[k]), html.number(scores.precision[k]), str(scores.images[k])]
            for shown, k in ((html.escaped(label), label) for label in measured.labels)
        ]
        return html.table(["Class", "Accuracy", "Precision", "Pictures"], rows, "scores")
    outlines = scores.boundary or dict.fromkeys(measured.labels)
    rows = [
        [
            shown,
            html.bar(scores.iou[k]),
            *(html.number(by_class[k]) for by_class in (scores.dice, scores.accuracy, outlines)),
            str(scores.images[k]),
        ]
        for shown, k in named
    ]
    return html.table(["Class", "IoU", "Dice", "Accuracy", "Boundary F", "Pictures"], rows, "scores")


def _colours(measured: Measurement) -> list[Colour]:
    card = measured.card
    return [card.colours[card.labels.index(label)] for label in measured.labels]


def worst(measured: Measurement, model: Model) -> str:
    """Of a segmentation picture, truth, prediction and errors; of a classification the picture, what it is and what
    was predicted.
    """
    if isinstance(measured.scores, ClassificationScores):
        return _gallery(measured)
    masks = open_masks(measured.card, measured.root, measured.split, measured.options)
    colours = _colours(measured)
    plain = measured.labels.index(BACKGROUND) if BACKGROUND in measured.labels else None
    strips = []
    for poor in measured.worst:
        evaluated = evaluate_picture(model, masks, poor.index, measured.options.max_side)
        photo = thumbnails.small(evaluated.picture.rgb())
        truth, predicted = (
            thumbnails.fitted(evaluated.truth, photo.shape),
            thumbnails.fitted(evaluated.predicted, photo.shape),
        )
        ignored = truth == IGNORE
        pictures = {
            "picture": photo,
            "truth": thumbnails.over_grey(photo, truth, colours, plain),
            "prediction": thumbnails.over_grey(photo, predicted, colours, plain),
            "wrong in red": thumbnails.marked(photo, (truth != predicted) & ~ignored, ignored),
        }
        figures = [html.figure(thumbnails.data_url(pixels), caption) for caption, pixels in pictures.items()]
        strips.append(html.strip(poor.name, f"mean IoU of its classes {poor.score:.3f}", figures))
    return "".join(strips)


def _gallery(measured: Measurement) -> str:
    data = open_folders(measured.card, measured.root, measured.split, measured.options).data
    figures = [
        html.figure(
            thumbnails.data_url(thumbnails.small(np.asarray(data.picture(poor.index)), 160)),
            f"{poor.truth}, taken for {poor.predicted} ({poor.name}, {poor.score:.0%} sure of the truth)",
        )
        for poor in measured.worst
    ]
    return f'<div class="gallery">{"".join(figures)}</div>' if figures else ""


def how(measured: Measurement) -> list[tuple[str, str]]:
    """Everything that a reader needs to measure the same again."""
    card, options, clock = measured.card, measured.options, measured.clock
    stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in clock.medians_ms().items())
    tolerance = "0.75 % of the diagonal" if options.boundary is None else f"{options.boundary} pixels"
    segmented = isinstance(measured.scores, SegmentationScores)
    return [
        ("model", f"{card.name} {card.version}, {card.task}"),
        ("sha256", card.sha256),
        ("licence", card.licence.name),
        ("data", f"{measured.root}, split {measured.split}, {measured.format}"),
        ("pictures", f"{measured.pictures} of {measured.of}"),
        ("size", "compared at each picture's own size" if segmented else ""),
        ("longest side", f"{options.max_side} pixels, as asked" if options.max_side else "as the model's card says"),
        ("boundary F", f"tolerance {tolerance}" if segmented and options.boundary != 0 else ""),
        ("time", f"{clock.seconds:.1f} s; median of a picture in ms: {stages}"),
    ]


def matrix(labels: Sequence[str], confusion: Integers) -> str:
    """The table, shaded by shares of its rows; nothing for more than ``MOST`` classes."""
    if len(labels) > MOST:
        return ""
    columns = [*labels, OTHER] if confusion[:, -1].any() else list(labels)
    rows = [
        [html.escaped(label), *(_cell(float(share), i == j) for j, share in enumerate(row[: len(columns)]))]
        for i, (label, row) in enumerate(zip(labels, _shares(confusion), strict=True))
        if confusion[i].any()
    ]
    return html.matrix(["", *columns], rows)


def mistakes(labels: Sequence[str], confusion: Integers, count: int = 12) -> str:
    """The largest cells beside the diagonal, as shares of all and of the class."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    shares, total, names = _shares(confusion), max(int(confusion.sum()), 1), [*labels, OTHER]
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    found = [divmod(int(at), wrong.shape[1]) for at in order]
    rows = [
        [html.escaped(labels[t]), html.escaped(names[p]), f"{shares[t, p]:.1%}", f"{wrong[t, p] / total:.2%}"]
        for t, p in found
        if wrong[t, p]
    ]
    return html.table(["Truth", "taken for", "of the class", "of all"], rows) if rows else ""


def _shares(confusion: Integers) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return shares


def _cell(share: float, right: bool) -> str:
    kind = " ".join(name for name, on in (("hit", right), ("strong", share >= 0.6)) if on)
    text = f"{100 * share:.0f}" if share >= 0.005 else ""
    return f'<td class="{kind}" style="--part:{100 * share:.0f}%">{text}</td>'
