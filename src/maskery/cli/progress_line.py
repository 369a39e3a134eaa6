"""A line of progress on standard error: on a terminal it replaces itself, in a log it comes seldom."""

import sys
import time

import click

CLEAR = "\r\x1b[K"
TERMINAL_SECONDS, LOG_SECONDS = 0.2, 30.0


class ProgressLine:
    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.wait = TERMINAL_SECONDS if self.live else LOG_SECONDS
        self.last = -self.wait

    def say(self, text: str) -> None:
        """A line that stays."""
        click.echo(f"{CLEAR if self.live else ''}{text}", err=True)

    def tick(self, text: str) -> None:
        """Where the work stands; left out when the last one was just before."""
        now = time.monotonic()
        if now - self.last < self.wait:
            return
        self.last = now
        click.echo(f"{CLEAR}{text}" if self.live else text, err=True, nl=not self.live)
