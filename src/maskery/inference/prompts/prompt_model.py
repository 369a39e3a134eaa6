"""A model that cuts out what is pointed at: an encoder looks at the picture once, a small decoder at each prompt.

Each click corrects the answer to those before it, which the network is shown as its previous mask. So the answer to a
list of clicks is that of clicking them one after the other, whoever remembers what (docs/adr/0025-prompts.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskery.core.arrays import Array, Doubles, Floats, Pixels
from maskery.core.boxes import BoxXyxy
from maskery.core.card import ModelCard
from maskery.core.errors import ConfigError
from maskery.core.picture.decode import Picture
from maskery.core.plan import PLAIN, PLAIN_DEMAND, Demand, Plan, RunOptions
from maskery.core.prompt import Prompt
from maskery.core.result.capabilities import Result
from maskery.core.result.instances import CropMask, Instance
from maskery.core.result.prompted import PromptResult
from maskery.core.timing import Stopwatch
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View, whole_view
from maskery.inference.pipeline import Model
from maskery.inference.planning.footprint import measure_footprint
from maskery.inference.planning.memory_plan import choose
from maskery.inference.prompts.embedded_picture import (
    EmbeddedPicture,
    Maps,
    Trace,
    digest_of,
    kept_view,
)
from maskery.inference.prompts.embedding_cache import EmbeddingCache
from maskery.inference.prompts.prompt_input import fitted, shares_of_cells
from maskery.inference.prompts.prompt_maps import prompt_maps
from maskery.inference.prompts.prompt_plan import BATCH, BOX_SIZE, kept_size, prompt_ways
from maskery.inference.prompts.prompt_window import (
    PromptWindow,
    mask_in_picture,
    resampled,
    whole_window,
    window_around,
)
from maskery.inference.runtimes.base import Session
from maskery.inference.runtimes.registry import open_network, usable_cores
from maskery.inference.tasks.base import sigmoid

AROUND = 1.4
"""Side of a window, in longer sides of the box that it is around."""
WORTH = 0.9
"""A box is looked at in a window of its own where its side is less than this share of the picture's longer side.
Around the answer to a first click windows did not help: they are as wrong as it is (docs/adr/0025-prompts.md).
"""
OBJECT = 1
"""The class of what is pointed at."""
SURE = 30.0
"""Logits beyond say no more, and overflow."""


@dataclass(frozen=True, eq=False)
class MaskCandidate:
    """``mask``: in pixels of the upright picture. ``score``: the IoU with what is meant that is expected, 0 to 1."""

    mask: CropMask
    score: float


@dataclass(frozen=True, eq=False)
class _Decoded:
    """Logits (3, h, w) and scores (3,) of ``window``, best first."""

    window: PromptWindow
    logits: Floats
    scores: Floats

    def trace(self, picture_wh: tuple[int, int]) -> Trace:
        best = sigmoid(np.clip(self.logits[0], -SURE, SURE))
        cells = self.window.cells
        means = best.reshape(cells, best.shape[0] // cells, cells, best.shape[1] // cells).mean((1, 3))
        left, top, right, bottom = self.window.xyxy
        inner = (left > 0, top > 0, right < picture_wh[0], bottom < picture_wh[1])
        edges = (means[:, 0], means[0], means[:, -1], means[-1])
        cut = any(within and edge.max() > 0.5 for within, edge in zip(inner, edges, strict=True))
        return Trace(self.window, means.astype(np.float16), cut)


@dataclass(frozen=True, kw_only=True)
class PromptModel(Model):
    """``session`` is the encoder's. ``pictures``: those embedded lately, perhaps shared with other models."""

    decoder: Session
    pictures: EmbeddingCache[EmbeddedPicture]

    def measured(self) -> "PromptModel":
        """Raises ``ModelError``."""
        return replace(self, footprint=measure_footprint(_Unasked(self), self.card))

    def plan(
        self,
        picture: Picture,
        run_options: RunOptions = PLAIN,
        demand: Demand = PLAIN_DEMAND,
        budget: int | None = None,
    ) -> Plan:
        """As ``Model.plan``. Raises ``BadRequest`` for a prompt that does not fit the picture, too."""
        if run_options.prompt is not None:
            run_options = replace(run_options, prompt=fitted(run_options.prompt, picture.size_wh))
        return choose(self.plan_request(picture, run_options, demand), budget, prompt_ways)

    def follow(
        self,
        plan: Plan,
        picture: Picture,
        watch: Stopwatch | None = None,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> Result:
        """As ``Model.follow``: the candidates, best first; none where the prompt is empty or nothing is found."""
        watch = watch or Stopwatch()
        embedded = self.look(plan, picture, watch)
        check_cancelled()
        return self.answer(embedded, plan, picture, watch)

    def look(self, plan: Plan, picture: Picture, watch: Stopwatch) -> EmbeddedPicture:
        """The picture, embedded: decoded and encoded now where ``pictures`` has it not. Raises ``PictureError``."""

        def opened() -> EmbeddedPicture:
            with watch.more("decode"):
                view = whole_view(picture, kept_size(picture.size_wh), plan.decode)
                view = kept_view(view, picture.size_wh)
            embedded = self._embedded(view, picture.size_wh)
            with watch.more("run"):
                embedded.maps(whole_window(picture.size_wh, self._size))
            return embedded

        with watch.more("decode"):
            key = (self.key, digest_of(picture))
        return self.pictures.get(key, opened)

    def answer(self, embedded: EmbeddedPicture, plan: Plan, picture: Picture, watch: Stopwatch) -> PromptResult:
        """What the plan's prompt points at in a picture that ``look`` gave. Raises ``ModelError``."""
        prompt = plan.options.prompt
        assert prompt is not None, "a plan without a prompt is refused"
        with watch.more("run"):
            decoded = None if prompt.empty else self._decoded(embedded, prompt)
        self.pictures.settle()
        with watch.stage("postprocess"):
            candidates = _candidates(decoded, picture.size_wh, plan.options.candidates)
            meta = self._model_output({}, plan, picture.orientation, watch).meta
            return PromptResult(meta, tuple(_instances(candidates)))

    def embed(self, pixels: Pixels) -> EmbeddedPicture:
        """(H, W, 3) uint8 RGB, upright -> what any number of prompts are answered from. Raises ``ModelError``."""
        size_wh = (pixels.shape[1], pixels.shape[0])
        embedded = self._embedded(kept_view(View(pixels, whole(size_wh)), size_wh), size_wh)
        embedded.maps(whole_window(size_wh, self._size))
        return embedded

    def decode(self, picture: EmbeddedPicture, prompt: Prompt, count: int = 1) -> list[MaskCandidate]:
        """At most ``count`` masks of what ``prompt`` points at, best first; none that is empty.

        Raises ``BadRequest`` for a prompt that does not fit the picture, ``ModelError``.
        """
        fitting = fitted(prompt, picture.size_wh)
        return _candidates(None if fitting.empty else self._decoded(picture, fitting), picture.size_wh, count)

    def from_boxes(self, pixels: Pixels, boxes_xyxy: Floats | Doubles) -> Iterator[CropMask]:
        """The best mask in each box, in their order; ``BATCH`` of them are run together, as they are asked for.

        ``pixels``: (H, W, 3) uint8 RGB, upright; ``boxes_xyxy``: (N, 4), left, top, right, bottom in its pixels. Each
        box is looked at in a square window of its own, ``AROUND`` times as large; a mask may reach beyond its box, not
        beyond that window. A box outside of the picture has an empty mask. Raises ``ModelError``.
        """
        size_wh = (pixels.shape[1], pixels.shape[0])
        return self.in_boxes(View(pixels, whole(size_wh)), size_wh, boxes_xyxy)

    def in_boxes(self, view: View, size_wh: tuple[int, int], boxes_xyxy: Floats | Doubles) -> Iterator[CropMask]:
        """As ``from_boxes``, for a view of all of a picture of ``size_wh``; boxes and masks are in its own pixels."""
        for start in range(0, len(boxes_xyxy), BATCH):
            boxes: list[BoxXyxy] = [(b[0], b[1], b[2], b[3]) for b in boxes_xyxy[start : start + BATCH].tolist()]
            windows = [window_around(box, AROUND, BOX_SIZE) for box in boxes]
            tensors = np.concatenate([window.tensor(view, self.card.input) for window in windows])
            maps = self.session.run({self.card.input.tensor: tensors})
            prompts = [_drawn(Prompt(box_xyxy=box), window, None) for box, window in zip(boxes, windows, strict=True)]
            for window, logits, scores in zip(windows, *self._run(maps, np.stack(prompts)), strict=True):
                yield mask_in_picture(logits[int(scores.argmax())], window, size_wh)

    @property
    def _size(self) -> int:
        """Pixels of the network's window."""
        assert self.card.input.size is not None
        return self.card.input.size[0]

    def _embedded(self, view: View, size_wh: tuple[int, int]) -> EmbeddedPicture:
        spec = self.card.input

        def encode(view: View, window: PromptWindow) -> Maps:
            return self.session.run({spec.tensor: window.tensor(view, spec)})

        return EmbeddedPicture(view, size_wh, encode)

    def _decoded(self, picture: EmbeddedPicture, prompt: Prompt) -> _Decoded:
        """The answer; what it leaves is kept, so that the next click takes one run of the decoder."""
        before = None if prompt.previous else self._before(picture, prompt)
        everything = whole_window(picture.size_wh, self._size)
        found = self._look(picture, self._window(prompt, before, everything), prompt, before)
        picture.keep(prompt, found.trace(picture.size_wh))
        return found

    def _before(self, picture: EmbeddedPicture, prompt: Prompt) -> Trace | None:
        """What the answer to all but the last click left; None where there was nothing to answer."""
        steps = [replace(prompt, clicks=prompt.clicks[:count]) for count in range(len(prompt.clicks))]
        asked = [step for step in steps if step.box_xyxy or any(click.positive for click in step.clicks)]
        trace: Trace | None = None
        for step in asked:
            trace = picture.trace(step) or self._traced(picture, step)
        return trace

    def _traced(self, picture: EmbeddedPicture, step: Prompt) -> Trace:
        return self._decoded(picture, step).trace(picture.size_wh)

    def _window(self, prompt: Prompt, before: Trace | None, everything: PromptWindow) -> PromptWindow:
        """Where to look: where the answer before was found, around the box, or at everything."""
        if before is not None:
            window = before.window
            ok = not before.cut and all(window.has(click.x, click.y) for click in prompt.clicks)
            return window if ok else everything
        if prompt.box_xyxy is None:
            return everything
        window = window_around(prompt.box_xyxy, AROUND, everything.size)
        return window if window.side < WORTH * everything.side else everything

    def _look(self, picture: EmbeddedPicture, window: PromptWindow, prompt: Prompt, before: Trace | None) -> _Decoded:
        maps = picture.maps(window)
        logits, scores = (one[0] for one in self._run(maps, _drawn(prompt, window, before)[None]))
        order = np.argsort(-scores, kind="stable")
        return _Decoded(window, logits[order], scores[order])

    def _run(self, maps: Mapping[str, Array], prompts: Floats) -> tuple[Floats, Floats]:
        """Logits (B, 3, h, w) and scores (B, 3) for prompts (B, 4, h, w)."""
        outputs = self.decoder.run({**maps, _prompt_tensor(self.card): prompts})
        masks, scored = self.card.output, self.card.output_of("mask-scores")
        assert scored is not None
        return outputs[masks.tensor].astype(np.float32, copy=False), outputs[scored.tensor].astype(np.float32)


@dataclass(frozen=True)
class _Unasked:
    """The encoder and the decoder on an empty prompt, as one session, to see what both take."""

    model: PromptModel

    @property
    def device(self) -> str:
        return self.model.session.device

    @property
    def runtime(self) -> str:
        return self.model.session.runtime

    @property
    def batches(self) -> bool:
        return False

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        size = self.model._size
        maps = self.model.session.run(inputs, keep)
        prompts = np.zeros((1, 4, size // 4, size // 4), np.float32)
        return maps | self.model.decoder.run({**maps, _prompt_tensor(self.model.card): prompts}, keep)


def open_prompt_model(
    card: ModelCard,
    files: Sequence[Path],
    device: str = "cpu",
    threads: int = 0,
    pictures: EmbeddingCache[EmbeddedPicture] | None = None,
) -> PromptModel:
    """Load the two networks of a card. Raises ``ConfigError`` for another form, and as ``open_session`` does."""
    spec = card.input
    if len(card.networks) != 2 or not spec.fixed or spec.size is None or spec.size[0] != spec.size[1]:
        raise ConfigError(
            f"The card of {card.name} has not the form of a prompt model.",
            "Give it an encoder and a decoder, and resize = 'letterbox' to a square.",
        )
    count = threads or usable_cores()
    encoder, decoder = (
        open_network(card, network, path, device, count) for network, path in zip(card.networks, files, strict=True)
    )
    return PromptModel(card=card, session=encoder, decoder=decoder, pictures=pictures or EmbeddingCache())


def _prompt_tensor(card: ModelCard) -> str:
    return next(one.tensor for one in card.inputs if one.role == "prompt-maps")


def _drawn(prompt: Prompt, window: PromptWindow, before: Trace | None) -> Floats:
    """The prompt's maps in a window, (4, cells, cells)."""
    positive, negative = (
        [window.cell_of(click.x, click.y) for click in prompt.clicks if click.positive is on] for on in (True, False)
    )
    box = None
    if prompt.box_xyxy:
        (left, top), (right, bottom) = window.cell_of(*prompt.box_xyxy[:2]), window.cell_of(*prompt.box_xyxy[2:])
        box = (left, top, right, bottom)
    return prompt_maps(positive, negative, box, _former(prompt, window, before), (window.cells, window.cells))


def _former(prompt: Prompt, window: PromptWindow, before: Trace | None) -> Floats | None:
    """The previous mask in a window: the answer's own, or else the hint."""
    if before is not None:
        values = before.probabilities.astype(np.float32)
        return values if before.window == window else resampled(values, before.window.xyxy, window)
    hint = prompt.previous
    return resampled(shares_of_cells(hint), hint.box_xyxy, window) if hint else None


def _candidates(decoded: _Decoded | None, picture_wh: tuple[int, int], count: int) -> list[MaskCandidate]:
    """The first ``count`` that are not empty."""
    if decoded is None:
        return []
    ranked = zip(decoded.logits[:count], decoded.scores[:count], strict=True)
    found = (
        MaskCandidate(mask_in_picture(logits, decoded.window, picture_wh), min(1.0, max(0.0, float(score))))
        for logits, score in ranked
    )
    return [candidate for candidate in found if candidate.mask.area]


def _instances(candidates: Sequence[MaskCandidate]) -> Iterator[Instance]:
    for number, one in enumerate(candidates, 1):
        (left, top), (width, height) = one.mask.left_top, one.mask.size_wh
        yield Instance(
            id=number,
            class_id=OBJECT,
            score=one.score,
            box_xyxy=(left, top, left + width, top + height),
            mask=one.mask,
        )
