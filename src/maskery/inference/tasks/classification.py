"""Classification: one probability a class for the whole picture."""

import numpy as np

from maskery.core.errors import ModelError
from maskery.core.result.types import ClassificationResult
from maskery.inference.tasks.base import ModelOutput, Task, softmax


def read(model_output: ModelOutput) -> ClassificationResult:
    """Logits go through softmax; probabilities are only brought to sum 1 (quantised ones miss it by a little)."""
    card = model_output.card
    scores = np.asarray(model_output.output[0], dtype=np.float32).reshape(-1)
    if len(scores) != len(card.labels):
        raise ModelError(
            f"{card.name} gave {len(scores)} scores, its card has {len(card.labels)} labels.", "Correct the labels."
        )
    probabilities = softmax(scores) if card.output.logits else scores / max(float(scores.sum()), 1e-12)
    return ClassificationResult(model_output.meta, probabilities)


CLASSIFICATION = Task(
    name="classification", title="Classification", noun="a classifier", results=ClassificationResult, read=read
)
