"""``maskery evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskery.cli.output import columns, data_options, json_text, names, overrides, say, score, write
from maskery.cli.progress import counting
from maskery.core.errors import BadRequest

if TYPE_CHECKING:
    from maskery.evaluation.average_precision import Precision
    from maskery.evaluation.confusion import ClassificationScores, SegmentationScores
    from maskery.evaluation.measurement import EvaluationOptions, Measurement
    from maskery.inference.pipeline import Model


@click.command()
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@data_options
@click.option(
    "--least-area", type=click.IntRange(min=0), metavar="PX", help="Prompts: leave out objects of at most PX pixels."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FOLDER", help="Write report.html and report.json.")
def evaluate(
    model: str,
    data: Path,
    split: str,
    data_format: str,
    labels: str | None,
    pairs: tuple[str, ...],
    max_side: int | None,
    boundary: int | None,
    limit: int | None,
    least_area: int | None,
    as_json: bool,
    report: Path | None,
) -> None:
    """Measure MODEL on the pictures of DATA, at their own size.

    Segmentation: IoU, Dice, accuracy and boundary F by class. Classification (class folders): top-1, top-5, accuracy
    by class. Objects (sets of single objects with classes): average precision of masks and boxes, panoptic quality,
    counts. Prompts (sets of single objects): IoU from the true box and after simulated clicks. Classes are matched by
    name; what is not plainly the same is printed to stderr. Definitions are in docs/evaluation.md.
    """
    from maskery.core.result.capabilities import HasInstances
    from maskery.core.settings import load_settings
    from maskery.evaluation.measure import measure
    from maskery.evaluation.measurement import EvaluationOptions
    from maskery.evaluation.report.evaluation_page import report as page_of
    from maskery.inference.tasks.registry import PROMPT, task_of
    from maskery.models.segmenter import open_segmenter

    options = EvaluationOptions(
        format=data_format,
        labels=names(labels),
        overrides=overrides(pairs),
        max_side=max_side,
        boundary=boundary,
        limit=limit,
    )
    segmenter = open_segmenter(model, load_settings())
    if task_of(segmenter.card) is PROMPT:
        others = {
            "--labels": labels,
            "--map": pairs,
            "--max-side": max_side,
            "--boundary": boundary,
            "--report": report,
        }
        _refuse([name for name, value in others.items() if value], "A model of prompts is measured without")
        click.echo(_prompts(segmenter.model, data, split, options, least_area, as_json))
        return
    _refuse(["--least-area"] * (least_area is not None), "Only models of prompts are measured with")
    if task_of(segmenter.card).gives(HasInstances):
        _refuse(["--boundary"] * (boundary is not None), "A model of objects is measured without")
        click.echo(_objects(segmenter.model, data, split, options, report, as_json))
        return
    with counting(f"evaluating {model}") as progress:
        measured = measure(segmenter.model, data, split, options, progress)
    say(measured.notes)
    if report:
        write(report / "report.json", json_text(measured.plain()) + "\n")
        write(report / "report.html", page_of(measured, segmenter.model))
    click.echo(json_text(measured.plain()) if as_json else _text(measured))


def _refuse(options: list[str], reason: str) -> None:
    if options:
        raise BadRequest(f"{reason} {', '.join(options)}.", f"Leave {'it' if len(options) == 1 else 'them'} out.")


def _prompts(
    model: "Model", data: Path, split: str, options: "EvaluationOptions", least_area: int | None, as_json: bool
) -> str:
    from maskery.evaluation.prompts import SMALL, PromptOptions, measure_prompts
    from maskery.inference.prompts.prompt_model import PromptModel

    assert isinstance(model, PromptModel)
    least = SMALL if least_area is None else least_area
    wanted = PromptOptions(format=options.format, least_area=least, limit=options.limit)
    with counting(f"evaluating {model.card.name}") as progress:
        measured = measure_prompts(model, data, split, wanted, progress)
    if as_json:
        return json_text(measured.plain())
    means, ends = measured.means(), measured.scores.intervals()
    rows = [("", "mean", "95 % of means")]
    rows += [(name, f"{value:.4f}", f"{ends[name][0]:.4f} to {ends[name][1]:.4f}") for name, value in means.items()]
    count = f"{len(measured.scores.box)} objects of {measured.pictures} pictures in {measured.seconds:.1f} s"
    return f"{columns(rows)}\n\n{count}, without those of at most {least} pixels"


def _objects(
    model: "Model", data: Path, split: str, options: "EvaluationOptions", report: Path | None, as_json: bool
) -> str:
    from maskery.evaluation.objects_measure import measure_objects
    from maskery.evaluation.report.objects_page import objects_headline, objects_report

    with counting(f"evaluating {model.card.name}") as progress:
        measured = measure_objects(model, data, split, options, progress)
    say(measured.notes)
    if report:
        write(report / "report.json", json_text(measured.plain()) + "\n")
        write(report / "report.html", objects_report(measured, model))
    if as_json:
        return json_text(measured.plain())
    scores, clock = measured.scores, measured.clock
    kinds = list(scores.precisions)
    head = ("class", "pictures", "objects", *(f"{kind} {name}" for kind in kinds for name in ("AP", "AP50")), "PQ")
    rows = [head]
    for name, count in scores.objects.items():
        precisions = [one[name] for kind in kinds for one in _of(scores.precisions[kind])]
        numbers = (score(value) for value in (*precisions, scores.pq_of[name]))
        rows.append((name, str(scores.images[name]), str(count), *numbers))
    lines = [columns(rows), "", *(f"{name}: {value}" for name, value in objects_headline(scores))]
    worst = ", ".join(f"{poor.name} ({poor.score:.2f})" for poor in measured.worst[:5])
    lines.append(f"worst pictures: {worst}" if worst else "no picture was wrong")
    took = sum(clock.medians_ms().values())
    lines.append(f"{measured.pictures} of {measured.of} pictures in {clock.seconds:.1f} s, {took:.0f} ms a picture")
    return "\n".join(lines)


def _of(precision: "Precision") -> tuple[dict[str, float | None], dict[str, float | None]]:
    return precision.ap_of, precision.ap50_of


def _text(measured: "Measurement") -> str:
    from maskery.evaluation.confusion import SegmentationScores
    from maskery.evaluation.report.evaluation_page import headline

    scores, clock = measured.scores, measured.clock
    rows = _masks(scores) if isinstance(scores, SegmentationScores) else _classes(scores)
    lines = [columns(rows), "", ", ".join(f"{name} {value}" for name, value in headline(scores))]
    if isinstance(scores, SegmentationScores):
        from maskery.evaluation.confusion import ENOUGH, mean_iou

        if scores.ignored_share:
            lines.append(f"{scores.ignored_share:.2%} of all pixels are ignored by the masks: they are not judged")
        absent = [name for name, pictures in scores.images.items() if not pictures]
        if scores.only is not None:
            lines.append(f"no mask has {', '.join(absent)}; maskery data check says more of the masks")
        common = mean_iou(scores)
        if common is not None:
            lines.append(f"mean IoU of the classes with at least {ENOUGH} pictures, background left out: {common:.4f}")
    worst = ", ".join(f"{poor.name} ({poor.score:.2f})" for poor in measured.worst[:5])
    lines.append(f"worst pictures: {worst}" if worst else "no picture was wrong")
    took = sum(clock.medians_ms().values())
    lines.append(f"{measured.pictures} of {measured.of} pictures in {clock.seconds:.1f} s, {took:.0f} ms a picture")
    return "\n".join(lines)


def _masks(scores: "SegmentationScores") -> list[tuple[str, ...]]:
    head = ("class", "pictures", "IoU", "Dice", "accuracy", "boundary F")
    outlines = scores.boundary or dict.fromkeys(scores.iou)
    by_class = (scores.iou, scores.dice, scores.accuracy, outlines)
    return [head] + [(k, str(scores.images[k]), *(score(one[k]) for one in by_class)) for k in scores.iou]


def _classes(scores: "ClassificationScores") -> list[tuple[str, ...]]:
    head = ("class", "pictures", "accuracy", "precision")
    by_class = (scores.accuracy, scores.precision)
    return [head] + [(k, str(scores.images[k]), *(score(one[k]) for one in by_class)) for k in scores.accuracy]
