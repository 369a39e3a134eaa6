"""What a soak gave: the verdict and the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.soak.callers import CROWD, Book
from benchmarks.soak.traffic import Kind
from benchmarks.soak.watch import Calm, Growth, Sample

# What may be open besides what was open before: a log, a lazily loaded library.
MORE_FILES, MORE_THREADS, MORE_TASKS = 3, 4, 1


@dataclass(frozen=True)
class Outcome:
    book: Book
    before: Calm
    after: Calm
    samples: Sequence[Sample]
    growth: Growth
    missing: Sequence[Kind]
    faults: Sequence[str]


def judged(book: Book, before: Calm, after: Calm, found: Growth) -> list[str]:
    """What was wrong, in words."""
    faults = [f"{text} ({count} times)" if count > 1 else text for text, count in book.wrong.most_common()]
    for what, more in (("files", MORE_FILES), ("threads", MORE_THREADS), ("tasks", MORE_TASKS)):
        had, has = getattr(before, what), getattr(after, what)
        if has > had + more:
            faults.append(f"{what}: {has} after it, {had} before")
    left = (after.resident_mb / before.resident_mb - 1) * 100
    # At work and afterwards: one alone is the allocator's mood, unless it is much.
    if left > found.limit_left or (found.certain and left > found.limit):
        faults.append(
            f"memory grew: by thirds {found.thirds:.1f} %, by slope {found.slope:.1f} %, left over {left:.1f} %"
        )
    if not book.statuses[CROWD][503]:
        faults.append("no crowd was larger than the queue: nobody got 503")
    return faults


def report(outcome: Outcome) -> str:
    lines = [f"{'':24} {'right':>7} {'503':>6} {'p50 ms':>8} {'p95 ms':>8}  statuses"]
    for name, statuses in sorted(outcome.book.statuses.items()):
        times = sorted(outcome.book.ms.get(name, []))
        middle, late = (f"{times[int(share * (len(times) - 1))]:8.0f}" if times else f"{'':8}" for share in (0.5, 0.95))
        right = f"{len(times):7}" if times else f"{'':7}"
        said = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()) if status)
        lines.append(f"{name:24} {right} {statuses[503]:6} {middle} {late}  {said or f'{statuses[0]} times'}")
    peak = max(sample.resident_mb for sample in outcome.samples)
    for what in ("resident_mb", "files", "threads", "tasks"):
        lines.append(f"{what:24} {getattr(outcome.before, what):7.0f} before, {getattr(outcome.after, what):.0f} after")
    lines.append(f"{'resident at its peak':24} {peak:7.0f} MB")
    grown = outcome.growth
    lines.append(
        f"{'growth':24} {grown.thirds:7.1f} % by thirds, {grown.slope:.1f} % by slope, give or take {grown.doubt:.1f}; "
        f"limit {grown.limit:g} %"
    )
    if outcome.missing:
        lines.append(f"{'not served here':24} {', '.join(kind.name for kind in outcome.missing)}")
    lines += [f"WRONG: {fault}" for fault in outcome.faults] or ["All was as it should be."]
    return "\n".join(lines)
