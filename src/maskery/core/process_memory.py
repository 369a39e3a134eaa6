"""What this process holds, what it held at most and what it may take; giving memory back. For Linux and glibc.

Other systems say nothing: functions then return 0, None or False.

The system's own peak can be reset, so that the peak of one piece of work is measured; ``peak_bytes`` remembers.
"""

import ctypes
import os
from pathlib import Path, PurePosixPath

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_before_resets = 0


def resident_bytes() -> int:
    """What this process holds in memory now (VmRSS); 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most that this process ever held; 0 where the system does not say."""
    return max(_before_resets, peak_since_reset())


def peak_since_reset() -> int:
    """The most that this process held since ``reset_peak`` (VmHWM); 0 where the system does not say."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def reset_peak() -> bool:
    """Let ``peak_since_reset`` begin anew. False where the system cannot."""
    global _before_resets
    _before_resets = peak_bytes()
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def machine_bytes() -> int:
    """Memory of the machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def container_limit(own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The memory in bytes that the control groups of this process allow; None where that is all of the machine's.

    Reads version 2 (memory.max) and version 1 (memory.limit_in_bytes) of this group and of those around it, of which
    the lowest limit counts. ``own``: the file with the process's groups; ``root``: where they are mounted.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    limits = [limit for line in lines for limit in _group_limits(line, root)]
    lowest, machine = min(limits, default=None), machine_bytes()
    return lowest if lowest is not None and (not machine or lowest < machine) else None


def _group_limits(line: str, root: Path) -> list[int]:
    """The limits of one line of /proc/self/cgroup, ``ID:CONTROLLERS:PATH``, and of the groups around it.

    In a container the path is often the host's, and what is mounted at ``root`` is the group itself: folders that are
    not there are passed over.
    """
    _, controllers, path = [*line.split(":", 2), "", ""][:3]
    if controllers and "memory" not in controllers.split(","):
        return []
    folder, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
    group = PurePosixPath(path.lstrip("/"))
    texts = []
    for place in (group, *group.parents):
        try:
            texts.append((folder / place / name).read_text().strip())
        except OSError:
            continue
    return [int(text) for text in texts if text.isdigit()]  # "max" is no limit


def give_back() -> None:
    """Return freed memory to the system, where the C library can."""
    libc = glibc()
    if libc is not None:
        libc.malloc_trim(0)


def glibc() -> ctypes.CDLL | None:
    """The C library of this process where it is glibc."""
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") else None
