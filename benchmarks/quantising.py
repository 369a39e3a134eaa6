"""The built-in model in int8, through the gate of ``maskery quantise``."""

import os
import tempfile
from pathlib import Path

from benchmarks.report import Check, Section, Table
from benchmarks.rounds import FULL, Plan
from maskery.core.card import ModelCard
from maskery.core.settings import load_settings
from maskery.models.quantisation.quantise_request import AUTO, QuantiseRequest
from maskery.models.quantisation.search import quantise
from maskery.models.store import Store

TITLE = "int8"
MODEL, DATA = "everyday", "voc2012-part"
PICTURES, FEW_PICTURES = 100, 16
MAX_LOSS, LEAST_RATIO = 0.01, 1.3


def measure(plan: Plan, data: Path) -> Section:
    """Quantises into a folder that is gone afterwards. A loss above the limit is an error, as everywhere."""
    pictures = PICTURES if plan == FULL else FEW_PICTURES
    located = Store(load_settings(environment={})).locate(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        order = QuantiseRequest(
            folder=Path(folder) / "model",
            name=f"{MODEL}-int8",
            calibrate=data / DATA,
            validate=data / DATA,
            pictures=pictures,
            max_loss=MAX_LOSS,
            keep_float=(AUTO,),
        )
        card = quantise(located, order)
    return section(located.card, card)


def section(before: ModelCard, after: ModelCard) -> Section:
    """What the card of the quantised model says, beside that of the model that it was made from."""
    report, quality = after.quantisation, after.quality
    assert report is not None
    assert quality is not None
    rows = [
        (before.name, f"{report.bytes_before / 1e6:.2f}", f"{report.before:.4f}", f"{report.ms_before:.1f}", "1"),
        (after.name, f"{report.bytes_after / 1e6:.2f}", f"{report.after:.4f}", f"{report.ms_after:.1f}",
         f"{report.speed_ratio:.2f}"),
    ]  # fmt: skip
    kept = ", ".join(report.kept_float) or "nothing"
    how = (
        f"`maskery quantise {before.name} --calibrate {report.data}`, version {before.version} "
        f"(sha256 {before.sha256[:12]}...): {report.method}, on {report.calibration_pictures} pictures of "
        f"{report.calibration}; in float {kept}. mIoU over the classes that occur in {report.data} {report.split}, "
        "through the serving road. Times of the network alone, both files in turn on the same pictures: the ratio is "
        f"the median of the pairs. {report.machine}, {report.runtime}; load average at the end "
        f"{os.getloadavg()[0]:.1f}."
    )
    checks = [
        Check(f"{after.name}: loss of mIoU", report.loss, report.limit, "mIoU"),
        Check(f"{after.name}: times as fast as {before.name}", report.speed_ratio, LEAST_RATIO, "x", at_least=True),
    ]
    header = ("model", "MB", "mIoU", "run, ms", "times as fast")
    return Section(TITLE, how, [("", Table(header, rows))], checks, [f"Loss: {report.loss:.4f} mIoU."])
