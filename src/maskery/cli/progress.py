"""The one display of progress, on stderr: a line that is written over at a terminal, elsewhere a line now and then."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self

import click

from maskery.core.progress import Progress, Throttle

CLEAR = "\r\x1b[K"
TERMINAL_SECONDS, LOG_SECONDS = 0.2, 30.0
WIDTH, MOST = 24, 100_000
"""Characters of a bar; larger totals (bytes) are shown in per cent."""


class ProgressDisplay:
    """Sentences that stay, and below them where the work stands."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self._throttle = Throttle(self._draw, TERMINAL_SECONDS if self.live else LOG_SECONDS)
        self._what, self._open = "", False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, text: str) -> None:
        """A line that stays."""
        click.echo(f"{CLEAR if self.live else ''}{text}", err=True)
        self._open = False

    def update(self, text: str) -> None:
        """Where the work stands; left out when the last one was just before."""
        self._throttle(text)

    def count(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` steps of ``what``; in a log file ``what`` alone comes first."""
        self.begin(what)
        if self.live and done == total:
            self._draw(_bar(what, done, total))
            self.close()
        else:
            self._throttle(_bar(what, done, total))

    def begin(self, what: str) -> None:
        """``what`` comes next; unless it has begun already, a log file gets a line of it."""
        if what != self._what:
            self.close()
            self._what = what
            if not self.live:
                click.echo(what, err=True)
                self._throttle.skip()

    def close(self) -> None:
        """End the line that is written over."""
        if self._open:
            click.echo(err=True)
            self._open = False

    def _draw(self, text: str) -> None:
        click.echo(f"{CLEAR}{text}" if self.live else text, err=True, nl=not self.live)
        self._open = self.live


def _bar(what: str, done: int, total: int) -> str:
    share = done / total if total else 1.0
    filled = int(WIDTH * share)
    position = f"{done}/{total}" if total < MOST else f"{share:.0%}"
    return f"{what}  [{'#' * filled}{'-' * (WIDTH - filled)}]  {position}"


@contextmanager
def counting(what: str) -> Iterator[Progress]:
    """A display for one piece of work."""
    with ProgressDisplay() as display:
        display.begin(what)
        yield partial(display.count, what)
