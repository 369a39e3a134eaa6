"""A smaller file of a model, measured against the first one, and published only if it is as good."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import onnx

from maskery.core.card import CARD_NAME, ModelCard
from maskery.core.errors import ConfigError, ModelError
from maskery.core.files import whole_folder, writing
from maskery.core.progress import Progress, Reporter
from maskery.evaluation.confusion import ClassificationScores
from maskery.evaluation.measure import measure
from maskery.evaluation.measurement import EvaluationOptions
from maskery.inference.pipeline import Model
from maskery.models.card_toml import card_text
from maskery.models.loading import open_model
from maskery.models.quantisation.calibration import CalibrationPictures, choose
from maskery.models.quantisation.candidates import Candidate, fp16_candidates, int8_candidates
from maskery.models.quantisation.graph import plain_graph
from maskery.models.quantisation.quality import Score, ScoreLoss, compare_speed
from maskery.models.quantisation.quantise_request import QuantiseRequest
from maskery.models.quantisation.summary import MeasuredCandidate, new_card, refusal, report_of, shrunk_card
from maskery.models.store import Located

RACE_PICTURES = 8


def quantise(
    located: Located, request: QuantiseRequest, threads: int = 0, reporter: Reporter | None = None
) -> ModelCard:
    """Make, measure and write the model that ``request`` describes; returns its card.

    What is measured goes through the pipeline that serves. Nothing is left behind where it raises: ``LossAboveLimit``;
    ``ModelError`` for a file that cannot be quantised; ``DataError`` for data that cannot be used; ``ConfigError`` for
    a folder that is not empty or cannot be written.
    """
    reporter = reporter or Reporter()
    if len(located.card.networks) > 1:
        raise ModelError(f"{located.card.name} has several networks.", "Only models of one network are quantised.")
    with _folders(request.folder) as (scratch, staged):
        graph = plain_graph(located.path, scratch)
        before = open_model(located, "cpu", threads)
        calibration = _calibration_pictures(request, located.card)
        racers = choose(request.validate, request.split, located.card, request.format, RACE_PICTURES, at_least=1)
        if calibration:
            candidates = int8_candidates(graph, before, calibration, request, scratch, reporter)
        else:
            candidates = fp16_candidates(graph, located.card.bytes)
        trial = _Trial(located=located, request=request, scratch=scratch, threads=threads, reporter=reporter)
        best = trial.first_good(before, candidates)
        reporter.say(f"timing both on {len(racers)} pictures in turn")
        inputs = [{before.card.input.tensor: tensor} for tensor in racers.tensors(before)]
        timed = compare_speed(before.session, best.model.session, inputs)
        report = report_of(before, best, request, calibration, timed)
        if not best.loss.within(request.max_loss):
            raise refusal(request, best.loss, report)
        card = new_card(best, request, report)
        best.file.rename(staged / card.file)
        (staged / CARD_NAME).write_text(card_text(card), encoding="utf-8")
    return card


def _calibration_pictures(request: QuantiseRequest, card: ModelCard) -> CalibrationPictures | None:
    if request.to == "fp16":
        return None
    assert request.calibrate is not None
    return choose(request.calibrate, request.calibrate_split, card, request.format, request.pictures)


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """Candidates measured against the model that they are made from.

    Attributes:
        located: That model.
        request: What is to be made.
        scratch: Folder for the candidates' files.
        threads: Of one run; 0 = all usable cores.
        reporter: Gets sentences and progress.
    """

    located: Located
    request: QuantiseRequest
    scratch: Path
    threads: int
    reporter: Reporter

    def first_good(self, before: Model, candidates: Iterator[Candidate]) -> MeasuredCandidate:
        """The first candidate within the limit; without one that which loses least."""
        first = self._judged(before, "the float model")
        self.reporter.say(f"{before.key}: {first.measure} {first.value:.4f}")
        tried: list[MeasuredCandidate] = []
        for candidate in candidates:
            one = self._tried(candidate, first, self.scratch / f"candidate-{len(tried)}.onnx")
            if one.loss.within(self.request.max_loss):
                return one
            tried.append(one)
        return min(tried, key=lambda one: one.loss.points)

    def _tried(self, candidate: Candidate, first: Score, file: Path) -> MeasuredCandidate:
        onnx.save(candidate.network, file)
        card = shrunk_card(self.located.card, self.request, file)
        model = open_model(replace(self.located, card=card, path=file), "cpu", self.threads)
        loss = ScoreLoss(first, self._judged(model, self.request.to))
        self.reporter.say(
            f"{model.key}: {first.measure} {loss.after.value:.4f}, loss {loss.points:.4f}"
            f" (limit {self.request.max_loss:g}), {len(candidate.kept)} layers in float"
        )
        return MeasuredCandidate(model, file, candidate.kept, loss)

    def _judged(self, model: Model, what: str) -> Score:
        request = self.request
        progress = partial(self.reporter.progress, f"measuring {what}")
        return score_model(model, request.validate, request.split, request.format, progress)


def score_model(model: Model, root: Path, split: str, format: str, progress: Progress) -> Score:
    """Measure through the pipeline that serves. Raises what ``evaluation.measure`` raises."""
    found = measure(model, root, split, EvaluationOptions(format=format, boundary=0), progress)
    scores, quality = found.scores, found.for_card(root.resolve().name)
    if isinstance(scores, ClassificationScores):
        return Score(
            measure="top-1", value=scores.top1, by_class=scores.accuracy, images=scores.images, quality=quality
        )
    return Score(measure="mIoU", value=scores.miou, by_class=scores.iou, images=scores.images, quality=quality)


@contextlib.contextmanager
def _folders(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A folder for temporary files, and one beside it that takes the place of ``folder``; without an error.

    Raises ``ConfigError`` for a ``folder`` that is not empty, ``OutputError`` for one that cannot be written.
    """
    with writing(folder, "Make room, or choose another folder with -o."):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder} is there already and not empty.", "Choose another one with -o, or remove it.")
        with (
            whole_folder(folder) as staged,
            tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch,
        ):
            yield Path(scratch), staged
