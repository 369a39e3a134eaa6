"""``maskery serve`` with one addition: on SIGUSR1 it writes how many asyncio tasks there are to the file SOAK_TASKS."""

import asyncio
import os
import signal
from pathlib import Path

from maskery.cli.main import main


def count(*_: object) -> None:
    """Signals are handled in the thread of the event loop, between two of its steps."""
    target = Path(os.environ["SOAK_TASKS"])
    partial = target.with_suffix(".partial")
    partial.write_text(str(len(asyncio.all_tasks())))
    partial.replace(target)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, count)
    main()
