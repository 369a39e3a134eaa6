"""``maskery evaluate``."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
@click.option("--split", default="val", show_default=True, help="Split of the data set.")
@click.option("--format", "data_format", default="auto", show_default=True, help="mask-folder, coco-panoptic, or auto.")
@click.option("--max-side", type=int, metavar="N", help="Longest side, in pixels, of what the model sees.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(model: str, data: Path, split: str, data_format: str, max_side: int | None, as_json: bool) -> None:
    """Measure MODEL on the pictures of DATA: IoU by class, mIoU, pixel accuracy, at the pictures' own size."""
    import msgspec

    from maskery.api import open_segmenter
    from maskery.evaluation import evaluate_model
    from maskery.metrics import mean_iou
    from maskery.settings import load_settings

    segmenter = open_segmenter(model, load_settings())
    with click.progressbar(length=1, label=f"evaluating {model}", file=sys.stderr, show_pos=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        result = evaluate_model(segmenter.model, data, split, data_format, max_side, progress)
    if as_json:
        click.echo(msgspec.json.encode({"model": model, "split": split, **msgspec.to_builtins(result)}))
        return
    for name, value in result.iou.items():
        score = "    -" if value is None else f"{value:.3f}"
        click.echo(f"{name:<20} IoU {score}   {result.images[name]:>5} pictures")
    click.echo(f"mIoU {result.miou:.4f}, pixel accuracy {result.pixel_accuracy:.4f}")
    click.echo(f"mean IoU of the classes with at least 20 pictures, background left out: {mean_iou(result):.4f}")
