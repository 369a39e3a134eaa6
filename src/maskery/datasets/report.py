"""What ``maskery data check`` found, as data and as text."""

from collections import Counter
from collections.abc import Sequence

import msgspec

SHOWN = 10  # findings of one kind in the text; the JSON has all


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a data set.

    Attributes:
        kind: "missing", "picture", "mask", "leak"; of a warning also "duplicate", "near", "turned", "empty", "absent",
            "dark".
        split: The split that it is in.
        file: The file that it is about.
        message: One sentence.
        cure: What can be done.
    """

    kind: str
    split: str
    file: str
    message: str
    cure: str = ""


class ClassCount(msgspec.Struct, frozen=True, kw_only=True):
    """``pixels``: None for pictures without masks. ``share``: of the pixels (or pictures) that are not ignored."""

    name: str
    pixels: int | None
    share: float
    pictures: int


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """(width, height) of the pictures with the fewest, the median and the most pixels."""

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of checking a data set.

    Attributes:
        path: Of the data set.
        format: Its format's name.
        splits: Pictures that can be read, by split.
        sizes: Of the pictures; None where there are none.
        classes: How often each class occurs.
        ignored_share: Of all pixels.
        notes: What holds for the data set as a whole.
        problems: What makes it unfit.
        warnings: What may be as intended.
    """

    path: str
    format: str
    splits: dict[str, int]
    sizes: Sizes | None
    classes: list[ClassCount]
    ignored_share: float
    notes: list[str]
    problems: list[Finding]
    warnings: list[Finding]

    @property
    def fine(self) -> bool:
        return not self.problems


def sizes_of(found: Counter[tuple[int, int]]) -> Sizes | None:
    """``found``: how many pictures have each (width, height)."""
    if not found:
        return None
    ordered, seen = sorted(found, key=lambda size: (size[0] * size[1], size)), 0
    for size in ordered:
        seen += found[size]
        if 2 * seen >= found.total():
            return Sizes(smallest=ordered[0], median=size, largest=ordered[-1])
    return None


def text(report: Report) -> str:
    """The report for people."""
    splits = ", ".join(f"{name} {count:,}" for name, count in report.splits.items())
    lines = [f"{report.path}: {report.format}", f"pictures  {splits}"]
    if report.sizes:
        names = ("smallest", "median", "largest")
        sizes = (report.sizes.smallest, report.sizes.median, report.sizes.largest)
        words = (f"{name} {w} x {h}" for name, (w, h) in zip(names, sizes, strict=True))
        lines.append(f"sizes     {', '.join(words)}")
    lines += [f"note      {note}" for note in report.notes]
    lines += ["", *_classes(report)]
    lines += _listed("problem", report.problems) + _listed("warning", report.warnings)
    return "\n".join([*lines, "", _verdict(report)])


def _classes(report: Report) -> list[str]:
    width = max([len(c.name) for c in report.classes] + [5])
    of = "pixels" if any(c.pixels is not None for c in report.classes) else "share"
    lines = [f"{'class':<{width}}  {of:>7}  pictures"]
    lines += [f"{c.name:<{width}}  {c.share:>7.2%}  {c.pictures:>8,}" for c in report.classes]
    return lines + ([f"{report.ignored_share:.2%} of all pixels are ignored"] if report.ignored_share else [])


def _listed(word: str, findings: Sequence[Finding]) -> list[str]:
    lines, seen = list[str](), Counter[str]()
    for finding in findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= SHOWN:
            lines.append(f"{word} ({finding.kind})  {finding.message} {finding.cure}".rstrip())
    lines += [f"{word} ({kind})  ... and {n - SHOWN:,} more: see --json" for kind, n in seen.items() if n > SHOWN]
    return ["", *lines] if lines else []


def _verdict(report: Report) -> str:
    problems, warnings = (_counted(found) for found in (report.problems, report.warnings))
    return f"problems: {problems or 'none'}; warnings: {warnings or 'none'}"


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.kind for finding in findings)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
