"""The report of a quantisation: in the card, and in the error where it is refused."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maskery.core.card import ModelCard
from maskery.core.card_facts import Check, Quantisation
from maskery.core.errors import LossAboveLimit
from maskery.core.picture import decode
from maskery.core.result.capabilities import HasClasses, HasScores, capable, expect
from maskery.inference.pipeline import Model
from maskery.inference.runtimes.registry import usable_cores
from maskery.inference.tasks.registry import task_of
from maskery.models.download import sha256_of
from maskery.models.quantisation.calibration import CalibrationPictures
from maskery.models.quantisation.quality import ScoreLoss, Timing
from maskery.models.quantisation.quantise_request import AUTO, QuantiseRequest
from maskery.models.store import CHECK_PICTURE

METHODS = {
    "fp16": "weights stored as float16, arithmetic in float32",
    "int8": "static, activations uint8 by tensor, weights int8 by channel, ranges by {calibration}",
}


@dataclass(frozen=True)
class MeasuredCandidate:
    """A candidate that was measured: as the model that it would be, in ``file``. ``kept``: layers in float."""

    model: Model
    file: Path
    kept: tuple[str, ...]
    loss: ScoreLoss


def shrunk_card(card: ModelCard, request: QuantiseRequest, file: Path) -> ModelCard:
    """The card of the new file, without what is to be measured."""
    return msgspec.structs.replace(
        card.with_file(f"{request.name}.onnx", sha256_of(file), file.stat().st_size),
        name=request.name,
        description=f"{card.description} {request.to} of {card.name} {card.version}.".strip(),
        quality=None,
        quality_also=[],
        quantisation=None,
    )


def new_card(best: MeasuredCandidate, request: QuantiseRequest, report: Quantisation) -> ModelCard:
    """The card of a model that is published: with its own quality, check and report."""
    card = best.model.card
    return msgspec.structs.replace(
        card, quality=best.loss.after.quality, check=_own_check(best.model, card.check), quantisation=report
    )


def _own_check(model: Model, check: Check | None) -> Check | None:
    """The stored answer is that of a file: the same classes, with this one's numbers."""
    if check is None:
        return None
    picture = decode.open_picture(CHECK_PICTURE, max_bytes=1 << 24, max_pixels=1 << 24)
    result = model.run(picture, task_of(model.card).check_options)
    if scored := capable(result, HasScores):
        (name, score) = scored.top(1)[0]
        return msgspec.structs.replace(check, shares={name: round(float(score), 3)})
    shares = {item.name: item.share for item in expect(result, HasClasses).classes}
    return msgspec.structs.replace(check, shares={name: round(shares.get(name, 0.0), 3) for name in check.shares})


def report_of(
    before: Model,
    best: MeasuredCandidate,
    request: QuantiseRequest,
    pictures: CalibrationPictures | None,
    timed: Timing,
) -> Quantisation:
    """``pictures``: what it was calibrated on."""
    loss, after = best.loss, best.model
    return Quantisation(
        to=request.to,
        method=METHODS[request.to].format(calibration=request.calibration),
        of=before.key,
        of_sha256=before.card.sha256,
        calibration=pictures.where if pictures else "",
        calibration_pictures=len(pictures) if pictures else 0,
        kept_float=list(best.kept),
        measure=loss.after.measure,
        data=loss.after.quality.data,
        split=loss.after.quality.split,
        before=round(loss.before.value, 5),
        after=round(loss.after.value, 5),
        loss=loss.points,
        limit=request.max_loss,
        speed_ratio=round(timed.ratio, 3),
        ms_before=round(timed.before_ms, 2),
        ms_after=round(timed.after_ms, 2),
        bytes_before=before.card.bytes,
        bytes_after=after.card.bytes,
        machine=_machine(),
        runtime=after.session.runtime,
    )


def refusal(request: QuantiseRequest, loss: ScoreLoss, report: Quantisation) -> LossAboveLimit:
    """Names the loss, the classes that lost most, and the options that may help and were not given."""
    worst = loss.worst()
    most = f" Most: {'; '.join(worst)}." if worst else ""
    cures = []
    if request.to == "int8":
        if AUTO not in request.keep_float:
            cures.append("--keep-float auto, which leaves the most sensitive layers in float")
        cures.append(f"more pictures, --pictures {2 * request.pictures}")
        cures += [
            f"--calibration {name}" for name in ("percentile", "minmax", "entropy") if name != request.calibration
        ]
    cures.append("a larger --max-loss, if such a loss is all right")
    return LossAboveLimit(
        f"{request.name} loses {loss.points:.4f} {report.measure} on {report.data} {report.split}: {report.before:.4f}"
        f" -> {report.after:.4f}; at most {request.max_loss:g} is allowed. It is not published.{most}",
        f"Try: {'; '.join(cures)}.",
        msgspec.to_builtins(report),
    )


def _machine() -> str:
    """The processor as its maker calls it, where the system says so, and the cores that may be used."""
    return f"{_processor()}, {usable_cores()} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    return _stripped(facts).get("model name", platform.machine())


def _stripped(facts: Mapping[str, str]) -> dict[str, str]:
    return {key.strip(): value.strip() for key, value in facts.items()}
