"""How long work reports where it stands; ``cli/progress.py`` shows it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]
"""Called with one sentence."""
Progress = Callable[[int, int], None]
"""Called after each step with how many are done and how many there are."""


def silent(done: int, total: int) -> None:
    """The ``Progress`` that shows nothing."""


@dataclass(frozen=True)
class Reporter:
    """``say``: one sentence; ``progress``: what is being done, how many steps of it are, and of how many."""

    say: Say = lambda text: None
    progress: Callable[[str, int, int], None] = lambda what, done, total: None


class Throttle:
    """Passes on the first text and then at most one in ``seconds``: progress for a log file."""

    def __init__(self, say: Say, seconds: float = 30) -> None:
        self.say, self.seconds, self.last = say, seconds, -seconds

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self.last >= self.seconds:
            self.last = now
            self.say(text)

    def skip(self) -> None:
        """Count the present moment as a text that was passed on."""
        self.last = time.monotonic()
