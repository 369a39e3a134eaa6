"""What this process holds, what it held at most, and giving memory back. For Linux and glibc; elsewhere it is said.

The system's own peak can be reset, so that the peak of one piece of work is measured; ``peak_bytes`` remembers.
"""

import ctypes
import os
from pathlib import Path

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
