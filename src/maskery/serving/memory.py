"""How memory is given back to the system. For glibc; elsewhere the allocator is left as it is.

By default glibc keeps freed blocks of up to 32 MB in as many arenas as there are threads: two callers with
12-megapixel pictures leave 280 MB. docs/adr/0007-memory-of-the-server.md has the figures.
"""

from maskery.process_memory import glibc

# From malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Above the activations of the built-in models: mapping those anew costs 50 % of a run.
MMAP_FROM_BYTES = 16 << 20


def settle_allocator() -> bool:
    """Two arenas, large blocks straight from the system. True where it took effect. For the owner of a process."""
    libc = glibc()
    if libc is None:
        return False
    settings = ((M_ARENA_MAX, 2), (M_MMAP_THRESHOLD, MMAP_FROM_BYTES), (M_TRIM_THRESHOLD, 2 * MMAP_FROM_BYTES))
    taken = [libc.mallopt(name, value) for name, value in settings]
    return taken == [1, 1, 1]
