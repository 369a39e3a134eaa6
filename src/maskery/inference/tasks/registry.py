"""The tasks, written out. Whoever works with models asks the task of a card; nobody compares its name."""

from collections.abc import Iterable

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, ModelError, UnknownModel, nearest
from maskery.core.plan import RunOptions
from maskery.core.prompt import Click, Prompt
from maskery.core.result.capabilities import Result
from maskery.core.result.panoptic_result import PanopticResult
from maskery.core.result.prompted import PromptResult
from maskery.inference.tasks import objects, semantic
from maskery.inference.tasks.base import ModelOutput, Task, map_bytes
from maskery.inference.tasks.classification import CLASSIFICATION
from maskery.inference.tasks.foreground import FOREGROUND
from maskery.inference.tasks.objects import DETECTION, INSTANCE
from maskery.inference.tasks.semantic import SEMANTIC


def _read_nothing(output: ModelOutput) -> Result:
    raise ModelError(f"{output.card.name} finds parts of pictures for other models.", "Name it as a model's detector.")


DETECTOR = Task(name="detector", title="Detector", noun="a detector", results=None, read=_read_nothing)


def _read_prompted(output: ModelOutput) -> Result:
    raise ModelError(f"{output.card.name} is no single network.", "Open it by loading.open_model.")


PROMPT = Task(
    name="prompt",
    title="By clicks and boxes",
    noun="a model that is asked by clicks or a box",
    results=PromptResult,
    read=_read_prompted,
    prompted=True,
    check_options=RunOptions(prompt=Prompt((Click(128.0, 128.0),))),
)


def _read_panoptic(output: ModelOutput) -> PanopticResult:
    """Both from the same outputs, as the tasks ``semantic`` and ``instance`` read them."""
    listed = objects.read(output)
    return PanopticResult(listed.meta, listed.instances, semantic.read(output))


def _panoptic_bytes(card: ModelCard, maps: int) -> int:
    return map_bytes(card, 0) + objects.MASK_BYTES


PANOPTIC = Task(
    name="panoptic",
    title="Panoptic Segmentation",
    noun="a panoptic model",
    results=PanopticResult,
    read=_read_panoptic,
    answer_bytes=_panoptic_bytes,
)

_ALL = (SEMANTIC, FOREGROUND, CLASSIFICATION, DETECTION, INSTANCE, PANOPTIC, DETECTOR, PROMPT)
TASKS = {task.name: task for task in _ALL}


def model_of_task(name: str, cards: Iterable[ModelCard]) -> ModelCard:
    """The first of ``cards`` whose task is called ``name``: the default model of that task.

    Raises ``BadRequest`` for a name that is no task of models that answer by themselves, ``UnknownModel`` where no card
    has it.
    """
    known = [task.name for task in TASKS.values() if task.results is not None]
    if name not in known:
        raise BadRequest(f"There is no task {name!r}.", nearest(name, known))
    found = next((card for card in cards if card.task == name), None)
    if found is None:
        cure = "Pull one (maskery models lists them with their tasks), or name a model of another task."
        raise UnknownModel(f"No model here has the task {name}.", cure)
    return found


def task_of(card: ModelCard) -> Task:
    """The task of a model with this card."""
    return TASKS[card.task]
