"""The tasks, written out. Whoever works with models asks the task of a card; nobody compares its name."""

from maskery.core.card import ModelCard
from maskery.core.errors import ModelError
from maskery.core.result.capabilities import Result
from maskery.inference.tasks.base import ModelOutput, Task
from maskery.inference.tasks.classification import CLASSIFICATION
from maskery.inference.tasks.foreground import FOREGROUND
from maskery.inference.tasks.semantic import SEMANTIC


def _read_nothing(output: ModelOutput) -> Result:
    raise ModelError(f"{output.card.name} finds parts of pictures for other models.", "Name it as a model's detector.")


DETECTOR = Task(name="detector", title="Detector", noun="a detector", results=None, read=_read_nothing)

TASKS = {task.name: task for task in (SEMANTIC, FOREGROUND, CLASSIFICATION, DETECTOR)}


def task_of(card: ModelCard) -> Task:
    """The task of a model with this card."""
    return TASKS[card.task]
