"""``maskery serve`` with one addition: on SIGUSR1 it writes how many asyncio tasks there are to the file SOAK_TASKS."""

import asyncio
import os
import signal
from pathlib import Path

from maskery.cli.main import main
from maskery.core.files import write_whole


def count(*_: object) -> None:
    """Signals are handled in the thread of the event loop, between two of its steps."""
    write_whole(Path(os.environ["SOAK_TASKS"]), str(len(asyncio.all_tasks())))


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, count)
    main()
