"""A measurement of objects as a page: numbers with their intervals, classes, the worst pictures, how it was done."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Pixels
from maskery.core.labels import voc_palette
from maskery.core.result.instances import Instance, painted
from maskery.evaluation.average_precision import Precision
from maskery.evaluation.object_measurement import ObjectMeasurement, ObjectScores, box_of
from maskery.evaluation.objects_measure import found_objects, open_objects_for
from maskery.evaluation.report import html, thumbnails
from maskery.evaluation.segmentation import open_picture
from maskery.inference.pipeline import Model

HINT = (
    "AP: the area under precision over recall by COCO's definition, the mean over IoU .50 to .95; AP50: at .50. Few "
    "objects say little: their number is beside each class."
)
MOST_COLOURS = 64


def objects_report(measured: ObjectMeasurement, model: Model) -> str:
    """HTML. The worst pictures are run once more to be shown."""
    card = measured.card
    title = f"{card.name} on {measured.root.name}, {measured.split}"
    subtitle = f"objects of {measured.pictures} pictures, {len(measured.labels)} classes"
    parts = [
        html.section("Result", html.tiles(objects_headline(measured.scores))),
        html.section("Classes", _classes(measured.scores), hint=HINT),
        html.section("By size", _sizes(measured.scores)),
        html.section("Worst pictures", _worst(measured, model)),
        html.section("How the classes were paired", html.bullets(measured.notes)),
        html.section("How it was measured", html.facts(_how(measured))),
    ]
    return html.document(title, subtitle, parts)


def objects_headline(scores: ObjectScores) -> list[tuple[str, str]]:
    """The numbers of the whole with their intervals, the most important one first."""
    found = list[tuple[str, str]]()
    for kind, one in scores.precisions.items():
        for name, value in (("ap", one.ap), ("ap50", one.ap50), ("ap75", one.ap75)):
            if value is not None:
                low, high = one.intervals[name]
                found.append((f"{kind} {name.upper()}", f"{value:.4f} ({low:.3f} to {high:.3f})"))
    if scores.pq is not None and scores.sq is not None and scores.rq is not None:
        found.append(("PQ of the things", f"{scores.pq:.4f} (SQ {scores.sq:.3f}, RQ {scores.rq:.3f})"))
    count, (low, high) = scores.count, scores.count.interval
    found.append(("count error a class", f"{count.error:.2f} ({low:.2f} to {high:.2f}), bias {count.bias:+.2f}"))
    return found


def _classes(scores: ObjectScores) -> str:
    kinds = list(scores.precisions)
    head = ["Class", *(f"{kind} {name}" for kind in kinds for name in ("AP50", "AP")), "PQ", "Objects", "Pictures"]
    rows = []
    for name, count in scores.objects.items():
        cells = [html.escaped(name)]
        for kind in kinds:
            one = scores.precisions[kind]
            cells += [html.bar(one.ap50_of[name]), html.number(one.ap_of[name])]
        rows.append([*cells, html.number(scores.pq_of[name]), str(count), str(scores.images[name])])
    return html.table(head, rows, "scores")


def _sizes(scores: ObjectScores) -> str:
    def row(kind: str, one: Precision) -> list[str]:
        return [kind, *(html.number(value) for value in (one.small, one.medium, one.large, one.recall))]

    head = ["", "AP, below 32 x 32 pixels", "up to 96 x 96", "larger", "recall of 100 predictions"]
    return html.table(head, [row(kind, one) for kind, one in scores.precisions.items()])


def _worst(measured: ObjectMeasurement, model: Model) -> str:
    truths, _ = open_objects_for(model, measured.root, measured.split, measured.options)
    strips = []
    for poor in measured.worst:
        path = truths.paths[poor.index]
        photo = open_picture(path).rgb()
        truth = truths.truth(poor.index)
        true = [
            Instance(id=i, class_id=0, score=1.0, box_xyxy=box_of(one.mask), mask=one.mask)
            for i, one in enumerate(truth.objects, 1)
        ]
        found, _ = found_objects(model, path, measured.options.max_side, measured.counted_score)
        pictures = {
            "picture": thumbnails.small(photo),
            "truth": _drawn(photo, true),
            "prediction": _drawn(photo, found),
        }
        figures = [html.figure(thumbnails.data_url(pixels), caption) for caption, pixels in pictures.items()]
        strips.append(html.strip(poor.name, f"F1 of its objects at IoU .50 {poor.score:.3f}", figures))
    return "".join(strips)


def _drawn(photo: Pixels, instances: Sequence[Instance]) -> Pixels:
    """Each object in a colour of its own over the grey photo."""
    height, width = photo.shape[:2]
    small = thumbnails.small(photo)
    numbers: NDArray[np.uint16] = painted(instances, (width, height))
    shown = np.where(numbers > 0, (numbers - 1) % (MOST_COLOURS - 1) + 1, 0)
    return thumbnails.over_grey(small, thumbnails.fitted(shown, small.shape), voc_palette(MOST_COLOURS), 0)


def _how(measured: ObjectMeasurement) -> list[tuple[str, str]]:
    card, options, clock = measured.card, measured.options, measured.clock
    stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in clock.medians_ms().items())
    return [
        ("model", f"{card.name} {card.version}, {card.task}"),
        ("sha256", card.sha256),
        ("licence", card.licence.name),
        ("data", f"{measured.root}, split {measured.split}, {measured.format}"),
        ("pictures", f"{measured.pictures} of {measured.of}"),
        ("scores", f"AP of those from {measured.least_score}, counts and PQ of those from {measured.counted_score}"),
        ("longest side", f"{options.max_side} pixels, as asked" if options.max_side else "as the model's card says"),
        ("time", f"{clock.seconds:.1f} s; median of a picture in ms: {stages}"),
    ]
