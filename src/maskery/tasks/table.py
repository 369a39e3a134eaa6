"""The tasks, written out."""

from collections.abc import Callable

from maskery.result import Result
from maskery.tasks import classification, foreground, semantic
from maskery.tasks.base import Reading

TASKS: dict[str, Callable[[Reading], Result]] = {
    "semantic": semantic.read,
    "foreground": foreground.read,
    "classification": classification.read,
}
