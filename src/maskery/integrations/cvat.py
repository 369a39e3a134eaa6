"""Models as functions of CVAT's SDK, in a process beside CVAT: for ``cvat-cli`` and its agents. Needs cvat-sdk.

cvat-cli task auto-annotate 7 --function-module maskery.integrations.cvat -p model=str:everyday
cvat-cli function create-native "Maskery" --function-module maskery.integrations.cvat -p model=str:prompt
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maskery.core.errors import BadRequest, MissingExtra
from maskery.core.picture.decode import open_picture
from maskery.core.result.capabilities import HasClassMap, HasInstances
from maskery.encode.annotations.cvat_shapes import CvatShape, mask_points, mask_shapes, polygon_shapes
from maskery.inference.prompts.prompt_input import prompt_of
from maskery.inference.prompts.prompt_model import PromptModel
from maskery.inference.tasks.registry import task_of
from maskery.models.segmenter import Segmenter, load

if TYPE_CHECKING:
    from PIL import Image

    from maskery.inference.prompts.embedded_picture import EmbeddedPicture

CONFIDENCE = 0
"""The attribute of a shape that an interaction's score is, ``cvataa.InteractionResultAttributes.CONFIDENCE``."""


def create(model: str = "everyday", threads: int = 0) -> CvatDetector | CvatInteractor:
    """The function that CVAT calls: an interactor where the model is asked by clicks, else a detector of masks.

    ``threads``: 0 = all usable cores. Raises ``MissingExtra`` without cvat-sdk, ``BadRequest`` for a model without
    masks, and as ``maskery.load``.
    """
    segmenter = load(model, threads=threads)
    if isinstance(segmenter.model, PromptModel):
        return CvatInteractor(segmenter.model)
    task = task_of(segmenter.card)
    if not task.gives(HasClassMap) and not task.gives(HasInstances):
        raise BadRequest(f"{segmenter.card.name} is {task.noun}: it has no masks.", "Use a model that gives masks.")
    return CvatDetector(segmenter)


def _sdk() -> Any:
    try:
        import cvat_sdk.auto_annotation as cvataa
    except ModuleNotFoundError as error:
        raise MissingExtra("Functions of CVAT need its SDK.", "Run: pip install 'maskery[cvat]'") from error
    return cvataa


class CvatDetector:
    """Every object, or of a class map every class but background, as a mask.

    ``spec``: a ``DetectionFunctionSpec``, a label a class; its ids are those of the model.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter, self._sdk = segmenter, _sdk()
        background = segmenter.card.background
        labels = [(number, label) for number, label in enumerate(segmenter.card.labels) if number != background]
        self.spec = self._sdk.DetectionFunctionSpec(
            labels=[self._sdk.label_spec(label, number, type="mask") for number, label in labels]
        )

    def detect(self, context: Any, image: Image.Image) -> list[Any]:
        """``context``: a ``DetectionFunctionContext``, whose threshold and choice of polygons count. Shapes of the
        SDK, in pixels of ``image`` as it is. Raises ``PictureError``.
        """
        result = self._segmenter.segment(np.asarray(image.convert("RGB"))).result
        least = context.conf_threshold or 0.0
        shapes = polygon_shapes(result, least) if context.conv_mask_to_poly else _masks_of(result, least)
        return [getattr(self._sdk, shape.kind)(shape.class_id, shape.points) for shape in shapes]


class CvatInteractor:
    """What somebody clicks at and boxes, as a mask.

    ``spec``: an ``InteractionFunctionSpec``: any number of points, and a box if that is wanted.
    """

    def __init__(self, model: PromptModel) -> None:
        self._model, self._sdk = model, _sdk()
        self.spec = self._sdk.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def preprocess_image(self, context: Any, image: Image.Image) -> EmbeddedPicture:
        """What the model makes of a picture, which the agent keeps for further clicks."""
        picture = open_picture(np.asarray(image.convert("RGB")), max_bytes=1 << 40, max_pixels=1 << 40)
        return self._model.embed(picture.rgb())

    def detect(self, context: Any, pp_image: EmbeddedPicture, prompts: Any) -> list[Any]:
        """``prompts``: ``InteractionPrompts`` of the SDK; one mask with its confidence, none where nothing is found.

        Raises ``BadRequest`` for a prompt that says nothing, or lies outside of the picture.
        """
        points = [*prompts.pos_points, *prompts.neg_points]
        labels = [True] * len(prompts.pos_points) + [False] * len(prompts.neg_points)
        corners = prompts.bounding_box
        prompt = prompt_of(points, labels, (*corners[0], *corners[1]) if corners else None)
        if prompt.empty:
            raise BadRequest("Nothing was clicked.", "Click the object, or draw a box around it.")
        return [
            self._sdk.InteractionResultShape(
                type="mask",
                points=mask_points(found.mask),
                attributes=[_models().AttributeValRequest(spec_id=CONFIDENCE, value=f"{found.score:.4f}")],
            )
            for found in self._model.decode(pp_image, prompt)
        ]


def _models() -> Any:
    import cvat_sdk.models as models

    return models


def _masks_of(result: Any, least: float) -> list[CvatShape]:
    return [shape for shape, _ in mask_shapes(result, least)]
