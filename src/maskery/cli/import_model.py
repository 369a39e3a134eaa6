"""``maskery models import``."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskery.cli.output import expect_package, lines
from maskery.cli.own_models import store_of, stored
from maskery.core.card import CARD_NAME, ModelCard
from maskery.core.errors import BadRequest, ModelError, UnknownModel, nearest
from maskery.core.files import write_whole, writing
from maskery.core.settings import load_settings
from maskery.models.card_toml import card_text

if TYPE_CHECKING:
    from maskery.models.importers.draft import ImportSource

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
LIBRARIES = ("torchvision", "hf")


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """The options of ``maskery models import`` that say what to import and how to call it; None = as there.

    Attributes:
        weights: File of torchvision weights.
        classes: How many classes it must have.
        revision: Branch, tag or commit of a Hugging Face repository.
        labels: File with the names of the classes.
        name: The name here.
        licence: Licence of the weights.
        side: Working size in pixels.
    """

    weights: Path | None
    classes: int | None
    revision: str | None
    labels: Path | None
    name: str | None
    licence: str | None
    side: int | None


@click.command("import")
@click.argument("source")
@click.option("--weights", type=FILE, help="torchvision: a state_dict (.pth) in place of torchvision's download.")
@click.option("--classes", type=click.IntRange(min=2), help="torchvision: how many classes FILE must have.")
@click.option("--revision", help="hf: a branch, tag or commit.  [default: what is newest]")
@click.option("--labels", type=FILE, help="Names of the classes, one a line.")
@click.option("--name", help="Its name here.  [default: from the source]")
@click.option("--licence", help="Licence of the weights, e.g. MIT, where the source does not say one.")
@click.option("--side", type=click.IntRange(min=32), help="Working size in pixels.  [default: the source's]")
@click.option("--half", is_flag=True, help="Store the weights as float16: half the bytes.")
@click.option("--replace", is_flag=True, help="Take the place of an added model of that name.")
@click.option("--dry-run", is_flag=True, help="Print the card as far as it is known before the export, and stop.")
@click.option("-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="Write into this folder instead.")
def import_model(
    source: str,
    weights: Path | None,
    classes: int | None,
    revision: str | None,
    labels: Path | None,
    name: str | None,
    licence: str | None,
    side: int | None,
    half: bool,
    replace: bool,
    dry_run: bool,
    out: Path | None,
) -> None:
    """Import torchvision/NAME, or hf/FOLDER or hf/OWNER/NAME of Hugging Face; prints where it is.

    The network is exported to ONNX, compared with torch, tried once and stored: maskery serve --model NAME serves it,
    without torch. What is guessed, or done otherwise than at the source, is printed.
    """
    found = _found(
        source,
        ImportOptions(
            weights=weights,
            classes=classes,
            revision=revision,
            labels=labels,
            name=name,
            licence=licence,
            side=side,
        ),
    )
    for note in found.notes:
        click.echo(note, err=True)
    if dry_run:
        click.echo(_known(found.card), nl=False)
        return
    _expect_place(found.card.name, replace, out)
    if out:
        click.echo(_written(found, out, half))
    else:
        click.echo(_stored(found, half, replace))


def _found(source: str, options: ImportOptions) -> "ImportSource":
    """What is at ``source``. Raises ``BadRequest`` for one that cannot be, and what its library's ``find`` raises."""
    library, _, rest = source.partition("/")
    if library not in LIBRARIES or not rest:
        raise BadRequest(
            f"{source!r} is no source of models.", nearest(library, [f"{known}/NAME" for known in LIBRARIES])
        )
    strange = ("--revision", options.revision) if library == "torchvision" else ("--weights", options.weights)
    if strange[1] or (library == "hf" and options.classes):
        raise BadRequest(f"{strange[0] if strange[1] else '--classes'} is not for {library}.", "Leave it out.")
    expect_package("torch", "Importing a model", library)
    from maskery.models.importers import hf, torchvision
    from maskery.models.importers.draft import ImportRequest
    from maskery.models.importers.hub import snapshot

    offline = load_settings().offline
    labels = tuple(lines(options.labels)) if options.labels else ()
    request = ImportRequest(options.name, labels, options.licence, options.side)
    if library == "torchvision":
        return torchvision.find(rest, options.weights, options.classes, request, offline)
    return hf.find(snapshot(rest, options.revision, offline), request)


def _known(card: ModelCard) -> str:
    """The card without the facts of a file that is not there yet."""
    unknown = ("sha256 = ", "bytes = ")
    return "".join(line for line in card_text(card).splitlines(keepends=True) if not line.startswith(unknown))


def _expect_place(name: str, replace: bool, out: Path | None) -> None:
    """Raises ``ModelError`` for a name or folder that is taken, before minutes are spent."""
    if out:
        if (out / CARD_NAME).exists():
            raise ModelError(f"{out} has a model already.", "Choose another folder.")
        return
    try:
        state = store_of().entry(name).state
    except UnknownModel:
        return
    if state != "added":
        raise ModelError(f"{name!r} is a model of Maskery's own.", "Choose another --name.")
    if not replace:
        raise ModelError(f"There is a model {name!r} already.", "Choose another --name, or say --replace.")


def _written(found: "ImportSource", folder: Path, half: bool) -> Path:
    card = _exported(found, folder, half)
    with writing(folder):
        write_whole(folder / CARD_NAME, card_text(card))
    return folder


def _stored(found: "ImportSource", half: bool, replace: bool) -> Path:
    with tempfile.TemporaryDirectory(prefix="maskery-") as scratch:
        card = _exported(found, Path(scratch), half)
        return stored(Path(scratch) / card.file, card, replace).path


def _exported(found: "ImportSource", folder: Path, half: bool) -> ModelCard:
    from maskery.models.importers.onnx_file import bring

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    card, notes = bring(found, folder, half)
    for note in notes:
        click.echo(note, err=True)
    return card
