"""The tasks, written out."""

from collections.abc import Callable

from maskery.core.result.types import Result
from maskery.inference.tasks import classification, foreground, semantic
from maskery.inference.tasks.base import ModelOutput

TASKS: dict[str, Callable[[ModelOutput], Result]] = {
    "semantic": semantic.read,
    "foreground": foreground.read,
    "classification": classification.read,
}
