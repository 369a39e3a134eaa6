"""What verbs share: options of data sets, tables and JSON on standard output."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from maskery.core.errors import ConfigError, MissingExtra, nearest
from maskery.core.files import write_whole, writing

Command = Callable[..., Any]


def data_options(command: Command) -> Command:
    """The options that say which pictures of a data set, and how its classes are a model's."""
    options = [
        click.option("--split", default="val", show_default=True, help="Split of the data set."),
        click.option("--format", "data_format", default="auto", show_default=True, help="Form of the data set."),
        click.option("--labels", metavar="NAME|FILE", help="Its classes where it names none: voc, A,B,C or a file."),
        click.option("--map", "pairs", multiple=True, metavar="DATA=MODEL,...", help="Its classes as the model's."),
        click.option("--max-side", type=click.IntRange(min=1), metavar="N", help="Longest side of what a model sees."),
        click.option("--boundary", type=click.IntRange(min=0), metavar="PX", help="Tolerance of boundary F; 0 = none."),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N pictures."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def names(text: str | None) -> tuple[str, ...] | None:
    """Class names: a known set's, names with commas, or the lines of a file. Raises ``ConfigError``."""
    from maskery.core.labels import LABEL_SETS

    if text is None or text in LABEL_SETS:
        return LABEL_SETS[text] if text else None
    if "," in text:
        return tuple(name.strip() for name in text.split(",") if name.strip())
    if not Path(text).is_file():
        raise ConfigError(f"--labels {text!r} is no label set and no file of names.", nearest(text, LABEL_SETS))
    return tuple(lines(Path(text)))


def lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank. Raises ``ConfigError``."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", "Save it as UTF-8 text, one name a line.") from error


def expect_package(package: str, purpose: str, extra: str) -> None:
    """Raises ``MissingExtra`` where ``package``, which ``purpose`` needs, is not installed."""
    if find_spec(package) is None:
        raise MissingExtra(f"{purpose} needs the package {package}.", f"Run: pip install 'maskery[{extra}]'")


def overrides(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """--map, given once or more, each with one pair or more. Raises ``BadRequest``."""
    from maskery.datasets.label_map import parse_overrides

    return parse_overrides(one for pair in pairs for one in _cut(pair))


def _cut(pair: str) -> list[str]:
    """DATA=MODEL,DATA=MODEL -> each pair; a part without "=" is of a name that has a comma in it, of the next pair."""
    found, before = list[str](), ""
    for part in pair.split(","):
        before = f"{before},{part}" if before else part
        if "=" in part:
            found.append(before)
            before = ""
    if before.strip():
        found = [*found[:-1], f"{found[-1]},{before}"] if found else [before]
    return found


def say(lines: Iterable[str]) -> None:
    """Lines to stderr, long ones cut."""
    for line in lines:
        click.echo(textwrap.shorten(line, 160, placeholder=" ..."), err=True)


def json_text(value: Any) -> str:
    """``value`` as JSON; names of files that are no UTF-8 by their codes."""
    import msgspec

    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_shown(msgspec.to_builtins(value))).decode()


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_shown(key): _shown(inner) for key, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list) else value


def write(target: Path, text: str) -> None:
    """Write a file, its folder too. Raises ``OutputError``."""
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text)
    click.echo(f"wrote {target}", err=True)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Text in columns: the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
