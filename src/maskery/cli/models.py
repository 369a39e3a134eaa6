"""``maskery models``: what is known, here, pulled, verified, removed, added; ``cli.importing`` has the import."""

import sys
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from maskery.cli.import_model import import_model
from maskery.cli.output import lines
from maskery.cli.own_models import store_of, stored
from maskery.cli.progress import ProgressDisplay
from maskery.core.card import Licence, ModelCard
from maskery.core.card_facts import Quality, Quantisation
from maskery.core.errors import BadRequest, ChecksumError, ConfigError, MaskeryError
from maskery.models.card_toml import card_text, parse_card, present_form
from maskery.models.store import StoredModel


@click.group()
def models() -> None:
    """Models: list, show, pull, verify, remove, add, import.

    Models are kept in the folder MASKERY_CACHE; MASKERY_MIRROR takes the place of the models' own addresses.
    """


models.add_command(import_model)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_models(as_json: bool) -> None:
    """All known models. State: built-in, pulled, added, or available (to be pulled)."""
    entries = store_of().entries()
    if as_json:
        click.echo(_json([_row(entry) for entry in entries]))
        return
    rows = [("NAME", "TASK", "STATE", "SIZE", "LICENCE", "DESCRIPTION")]
    rows += [
        (e.card.name, e.card.task, e.state, _size(e.card.bytes), _terms(e.card.licence), e.card.description)
        for e in entries
    ]
    click.echo(_columns(rows))


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The card as JSON.")
@click.option("--toml", "as_toml", is_flag=True, help="The card as TOML, a start for one of your own.")
def show(name: str, as_json: bool, as_toml: bool) -> None:
    """The card of NAME: task, licence, input, labels, quality."""
    entry = store_of().entry(name)
    if as_json:
        click.echo(_json(msgspec.to_builtins(entry.card) | {"state": entry.state}))
    elif as_toml:
        click.echo(card_text(entry.card), nl=False)
    else:
        click.echo(_columns(_facts(entry)))


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--accept-licence", is_flag=True, help="Accept a licence that is non-commercial or copyleft.")
@click.option("--offline", is_flag=True, default=None, help="Fetch nothing; fail for a model that is not here.")
def pull(names: tuple[str, ...], accept_licence: bool, offline: bool | None) -> None:
    """Fetch models of the catalogue into the cache; prints where each one is. An interrupted pull goes on.

    A model that needs another one, to find faces or to draw masks, comes with that.
    """
    store = store_of(offline)
    for name in names:
        with ProgressDisplay() as display:  # with the first bytes: what is here already shows none
            located = store.pull(name, accept_licence, partial(display.count, name))
        click.echo(located.path)
        for path in (*located.files[1:], *(located.part.files if located.part else ())):
            click.echo(path)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
def verify(names: tuple[str, ...]) -> None:
    """Hash the files of all models that are here (or of NAME...) again and compare with their cards."""
    store = store_of()
    failures: list[MaskeryError] = []
    for name in names or [e.card.name for e in store.entries() if e.state != "available"]:
        try:
            store.verify(name)
            click.echo(f"{name}  ok")
        except ChecksumError as error:
            failures.append(error)
            click.echo(f"{name}  damaged")
            click.echo(str(error), err=True)
    if failures:
        raise ChecksumError(f"{len(failures)} damaged.", "See above.")


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Delete the pulled or added model NAME from the cache."""
    store_of().remove(name)
    click.echo(f"removed {name}", err=True)


@models.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="Its name here.  [default: from the file's name]")
@click.option("--labels", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Names, one a line.")
@click.option("--card", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A model.toml of your own.")
@click.option("--licence", help="Licence of the weights, e.g. MIT.")
@click.option("--yes", is_flag=True, help="Add without asking.")
def add(file: Path, name: str | None, labels: Path | None, card: Path | None, licence: str | None, yes: bool) -> None:
    """Add an .onnx or .tflite FILE of your own; prints where it is.

    Without --card a card is proposed from the file's tensors and one run, and every guess is printed. With --card the
    keys file, sha256, bytes and url may be left out.
    """
    if card and (labels or licence):
        raise click.UsageError("--labels and --licence belong into the card that --card names.")
    proposal = _own_card(card, file, name) if card else _proposed(file, name, labels, licence)
    if not yes:
        _confirm(f"Add it as {proposal.name!r}?")
    click.echo(stored(file, proposal).path)


def _confirm(question: str) -> None:
    """Raises ``click.Abort`` for no, ``BadRequest`` where nobody is there to say it."""
    try:
        agreed = click.confirm(question, default=True, err=True)
    except click.Abort as error:
        if sys.stdin and sys.stdin.isatty():
            raise
        raise BadRequest("There is no terminal to confirm the card at.", "Look at it above, then add --yes.") from error
    if not agreed:
        raise click.Abort


def _proposed(file: Path, name: str | None, labels: Path | None, licence: str | None) -> ModelCard:
    from maskery.models.propose_card import propose_card

    proposal = propose_card(file, name, lines(labels) if labels else None, licence)
    click.echo(f"{card_text(proposal.card)}\n" + "\n".join(proposal.guesses), err=True)
    return proposal.card


def _own_card(path: Path, file: Path, name: str | None) -> ModelCard:
    """The user's card; what the file itself says may be missing. Raises ``ConfigError``."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", "Save it as UTF-8 TOML.") from error
    card = present_form(given, str(path)) | ({"name": name} if name else {})
    facts = {"file": file.name, "sha256": "0" * 64, "bytes": 0}
    if isinstance(networks := card.get("networks", [{}]), list):
        card["networks"] = [facts | one if isinstance(one, dict) else one for one in networks]
    return parse_card(card, str(path))


def _row(entry: StoredModel) -> dict[str, Any]:
    card = entry.card
    licence = msgspec.to_builtins(card.licence)
    row = {"name": card.name, "version": card.version, "task": card.task, "state": entry.state, "bytes": card.bytes}
    return row | {"classes": len(card.labels), "licence": licence, "description": card.description}


def _facts(entry: StoredModel) -> list[tuple[str, ...]]:
    card, image = entry.card, entry.card.input
    size = f"{image.size[0]} x {image.size[1]}" if image.size else f"side {image.side}" if image.side else "own size"
    rows = [
        ("name", f"{card.name} {card.version} ({entry.state})"),
        ("task", card.task),
        ("description", card.description),
        ("licence", _terms(card.licence)),
        ("", card.licence.note),
        *(("file", f"{one.file}, {_size(one.bytes)}, sha256 {one.sha256}") for one in card.networks),
        *(("from", one.url) for one in card.networks),
        ("input", f"{size} ({image.resize}), {image.channels}, {image.dtype}, {image.layout}"),
        *(("output", f"{one.role}, {one.layout}") for one in card.outputs),
        ("detector", card.detector.model if card.detector else ""),
        ("masks", card.objects.masks if card.objects else ""),
        ("labels", f"{len(card.labels)}: {', '.join(card.labels)}"),
    ]
    rows += [row for one in card.measured for row in _quality(one)] or [("quality", "not measured here")]
    rows += [("training", f"{key}: {value}") for key, value in card.training.items()]
    rows += _quantised(card.quantisation) if card.quantisation else []
    return [row for row in rows if row[1]]


def _quality(quality: Quality) -> list[tuple[str, str]]:
    where = " ".join(part for part in (quality.data, quality.split) if part)
    numbers = {
        "mean IoU": quality.miou,
        "pixel accuracy": quality.pixel_accuracy,
        "frequency-weighted IoU": quality.fw_iou,
        "mean accuracy": quality.mean_accuracy,
        "mean Dice": quality.mean_dice,
        "boundary F": quality.boundary_f,
        "top-1": quality.top1,
        "top-5": quality.top5,
    }
    rows = [("quality", f"{name} {value:.4f} on {where}") for name, value in numbers.items() if value is not None]
    rows += [
        ("", f"IoU {value:.3f}  {name} ({quality.images.get(name, '?')} pictures)")
        for name, value in quality.iou.items()
        if value is not None
    ]
    rows += [
        ("", f"accuracy {value:.3f}  {name} ({quality.images.get(name, '?')} pictures)")
        for name, value in quality.accuracy.items()
    ]
    return [*rows, ("", quality.note)]


def _quantised(made: Quantisation) -> list[tuple[str, str]]:
    where = f", on {made.calibration_pictures} pictures of {made.calibration}" if made.calibration else ""
    return [
        ("quantised", f"{made.to} of {made.of}: {made.method}{where}"),
        ("", f"{made.measure} {made.before:.4f} -> {made.after:.4f} on {made.data} {made.split}, limit {made.limit:g}"),
        ("", f"{made.speed_ratio:.2f} times as fast on {made.machine}, {made.runtime}"),
    ]


def _terms(licence: Licence) -> str:
    marks = [] if licence.commercial_use else ["non-commercial"]
    marks += ["copyleft"] if licence.copyleft else []
    return f"{licence.name} ({', '.join(marks)})" if marks else licence.name


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Left-aligned columns, two blanks between them; the last one as long as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
