"""What was measured -> markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

READING = """\
"12 (10 to 15)" is the median of the rounds, with the least and the greatest round. A round runs every variant of its
part once or several times in turn, every second round in the opposite order; the number of a round is the median of its
repeats. A ratio is taken inside each round, between two variants that saw the same machine, and then its median over
the rounds: it can be trusted where other work blurs the milliseconds. p95 is over all repeats of all rounds. MB is
1,000,000 bytes. A limit is met or missed by the median of times, and by the greatest value of memory and size."""

LIMITS_OF_THIS = """\
- One machine, one run, Linux only. Times scale with the processor, so compare the ratios before the milliseconds.
- The large photographs are smaller ones enlarged, with the noise of a sensor added, for enlarged alone they would be
  too easy to code. Their PNG is about as large as a camera's would be, their JPEG smaller.
- Client and server share the processor; a client elsewhere would pay for the network, but not for that.
- The peers run with their defaults, as Maskery does. Tuned for this machine they would be faster; so would Maskery.
- Memory of a server with several processes counts the pages that they share in each of them.
- Files are in the page cache: the first start after a boot is slower.
- Memory is what the kernel counts as resident (VmHWM, VmRSS), shared libraries included."""

LAST = "What this does not say"


@dataclass(frozen=True)
class Table:
    """Cells are markdown. The columns from ``numbers_from`` on are aligned to the right."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers_from: int = 1

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"a row has {len(row)} cells, expected {len(self.header)}: {row}")


@dataclass(frozen=True)
class Check:
    """A measured value beside the limit that it must not exceed, or must reach: ``at_least``."""

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def verdict(self) -> str:
        met = self.value >= self.limit if self.at_least else self.value <= self.limit
        return "met" if met else "**missed**"

    @property
    def bound(self) -> str:
        return f"at least {self.limit:,g}" if self.at_least else f"{self.limit:,g}"


@dataclass(frozen=True)
class Section:
    """One part. ``how``: what was done, in words. ``tables``: (caption, table), a caption may be empty."""

    title: str
    how: str
    tables: Sequence[tuple[str, Table]] = ()
    checks: Sequence[Check] = ()
    notes: Sequence[str] = ()
    failed: bool = False


def failure(title: str, error: Exception) -> Section:
    """A part that broke: it is named, not left out. The error's own words may hold paths, hence only its kind."""
    return Section(title, f"**Not measured: {type(error).__name__}.** The run itself says more.", failed=True)


def render(
    facts: Sequence[tuple[str, str]], sections: Sequence[Section], command: str, warnings: Sequence[str] = ()
) -> str:
    """The whole document. ``facts``: (name, value) about the machine and the run."""
    checks = [check for section in sections for check in section.checks]
    blocks = [
        "# Benchmarks",
        f"Written by `{command}`; do not edit by hand.",
        *(f"**{warning}**" for warning in warnings),
        "## Limits",
        _table(_check_table(checks)) if checks else "No part with a limit was measured.",
        "## Where",
        _table(Table(("", ""), [*facts], numbers_from=2)),
        "## How to read",
        READING,
    ]
    for section in sections:
        blocks += _section(section)
    blocks += [f"## {LAST}", LIMITS_OF_THIS]
    return "\n\n".join(blocks) + "\n"


def updated(document: str, sections: Sequence[Section], remark: str) -> str:
    """``document``, as ``render`` wrote it, with these parts and their limits in place of those of the same name.

    New ones come last. All else stays as it is; ``remark`` says of the parts that they are of another run.
    """
    head, *blocks = document.rstrip("\n").split("\n\n## ")
    parts = dict(block.split("\n\n", 1) for block in blocks)
    last = parts.pop(LAST)
    for section in sections:
        parts[section.title] = "\n\n".join([*_section(section)[1:], remark])
    rows = [_table(_check_table([check])).splitlines()[2] for section in sections for check in section.checks]
    parts["Limits"] = _with_rows(parts["Limits"], rows)
    parts[LAST] = last
    return "\n\n## ".join([head, *(f"{title}\n\n{text}" for title, text in parts.items())]) + "\n"


def _with_rows(table: str, rows: Sequence[str]) -> str:
    """The rows of a table, in place of those with the same first cell."""
    lines = {line.split("|")[1] if line.startswith("| ") else line: line for line in table.splitlines()}
    lines |= {row.split("|")[1]: row for row in rows}
    return "\n".join(lines.values())


def _section(section: Section) -> list[str]:
    blocks = [f"## {section.title}", section.how]
    for caption, table in section.tables:
        blocks += [caption] if caption else []
        blocks.append(_table(table))
    return [*blocks, *section.notes]


def _check_table(checks: Sequence[Check]) -> Table:
    rows = [(c.what, _number(c.value), c.bound, c.unit, c.verdict) for c in checks]
    return Table(("what", "measured", "limit", "unit", ""), rows)


def _number(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _table(table: Table) -> str:
    rule = ["---:" if column >= table.numbers_from else "---" for column in range(len(table.header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (table.header, rule, *table.rows))
