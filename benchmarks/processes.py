"""A server and all that it started: its memory, its processor time, its end."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

END_SECONDS = 5.0


def tree(pid: int) -> list[int]:
    """``pid`` and its descendants that live, parents first."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found = [pid] if pid in parents else []
    for parent in found:  # grows meanwhile
        found += [child for child, above in parents.items() if above == parent]
    return found


def memory_mb(pid: int, field: str) -> float:
    """``VmHWM`` (the peaks) or ``VmRSS`` (now) of the whole tree, summed, in MB; shared pages count in each process."""
    return sum(_status_kb(process, field) for process in tree(pid)) * 1024 / 1e6


def processor_seconds(pid: int) -> float:
    """Processor time that the tree has spent, in user and kernel, in seconds."""
    stats = [_stat(process) for process in tree(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats if fields) / os.sysconf("SC_CLK_TCK")


def end(process: "subprocess.Popen[str]") -> None:
    """Ask all of the tree to end, and make whatever is left of it after a while."""
    pids = tree(process.pid)
    _signal(pids, signal.SIGTERM)
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until and (process.poll() is None or any(_stat(pid) for pid in pids)):
        time.sleep(0.05)
    _signal(pids, signal.SIGKILL)
    process.wait(timeout=END_SECONDS)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        if _stat(pid):
            with suppress(ProcessLookupError):  # it ended just now
                os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, from the state on; none of a process that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [] if fields[0] == "Z" else fields


def _status_kb(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field + ":")), 0)
