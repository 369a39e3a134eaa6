"""What a run says of itself while it works: one line of text."""

import time
from collections.abc import Callable

Say = Callable[[str], None]


class Seldom:
    """Passes on the first text and then at most one in ``seconds``: progress for a log file."""

    def __init__(self, say: Say, seconds: float = 30) -> None:
        self.say, self.seconds, self.last = say, seconds, -seconds

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self.last >= self.seconds:
            self.last = now
            self.say(text)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, over = divmod(minutes, 60)
    if hours:
        return f"{hours} h {over:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def amount(bytes: int) -> str:
    """``512 MB`` or ``1.5 GB``."""
    return f"{bytes / 1e9:.1f} GB" if bytes >= 1e9 else f"{bytes / 1e6:.1f} MB"
