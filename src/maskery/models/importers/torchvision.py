"""torchvision's semantic segmentation networks; the only place that imports torchvision.

What a network of this family is to us: ``backbone(pictures)`` gives named features, ``classifier`` takes them (or the
one named "out") and gives scores on a coarse grid. torchvision then enlarges these to the picture. Our pipeline does so
too, to the original's pixels, so the exported network ends at the grid.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskery.core.card import Licence
from maskery.core.card_tensors import Input
from maskery.core.errors import (
    ChecksumError,
    ConfigError,
    DownloadError,
    LicenceError,
    MissingExtra,
    ModelError,
    UnknownModel,
    first_line,
    nearest,
)
from maskery.core.labels import VOC
from maskery.models.catalog import licence_of
from maskery.models.download import sha256_of
from maskery.models.importers.draft import INPUT, ImportRequest, ImportSource, SourceFacts, draft, plain_name
from maskery.models.propose_card import IMAGENET_MEAN, IMAGENET_STD, usual_labels

if TYPE_CHECKING:
    from torch import Tensor, nn

# torchvision's name -> the file of its weights. The digits in the name are the first of the file's sha256.
FILES = {
    "fcn_resnet50": "fcn_resnet50_coco-1167a1af.pth",
    "fcn_resnet101": "fcn_resnet101_coco-7ecb50ca.pth",
    "deeplabv3_resnet50": "deeplabv3_resnet50_coco-cd0a2569.pth",
    "deeplabv3_resnet101": "deeplabv3_resnet101_coco-586e9e4e.pth",
    "deeplabv3_mobilenet_v3_large": "deeplabv3_mobilenet_v3_large-fc3c493d.pth",
    "lraspp_mobilenet_v3_large": "lraspp_mobilenet_v3_large-d234d4ea.pth",
}
ADDRESS = "https://download.pytorch.org/models/"
SIDE, MULTIPLE = 520, 8
LAST_LAYERS = ("classifier.4.weight", "classifier.low_classifier.weight")
LICENCE = Licence(
    name="BSD-3-Clause",
    commercial_use=True,
    note="torchvision's licence. Trained on pictures of COCO train2017, which have terms of their own.",
)

State = dict[str, "Tensor"]
Build = Callable[[str, int, bool], "nn.Module"]
"""(name, classes, with an auxiliary head) -> network without trained weights."""


@dataclass(frozen=True)
class Weights:
    """``official``: whether these are torchvision's own, by their sha256."""

    state: State
    sha256: str
    official: bool
    origin: str

    @property
    def classes(self) -> int:
        return next(len(self.state[key]) for key in LAST_LAYERS if key in self.state)


def find(
    name: str, file: Path | None, classes: int | None, request: ImportRequest, offline: bool = False
) -> ImportSource:
    """What importing torchvision's network ``name`` takes; ``file``: a state_dict, else torchvision's own is fetched.

    Raises ``UnknownModel``, ``MissingExtra``, ``DownloadError``, ``ChecksumError``, ``ModelError`` for weights that do
    not fit, ``LicenceError`` for weights of the user's without a licence, ``ConfigError`` for labels that do not fit.
    """
    expect_name(name)
    build = library()
    weights = read_weights(name, file) if file else read_weights(name, fetch(name, offline))
    return found(name, weights, classes, request, build)


def expect_name(name: str) -> None:
    """Raises ``UnknownModel``, with the nearest."""
    if name not in FILES:
        raise UnknownModel(f"torchvision/{name} is no network that can be imported.", nearest(name, FILES))


def library() -> Build:
    """torchvision's own constructors. Raises ``MissingExtra``."""
    if find_spec("torchvision") is None:
        raise MissingExtra(
            "Importing from torchvision needs torchvision.",
            "Run: pip install 'maskery[torchvision]' (once; what is imported is served without it).",
        )
    from torchvision.models import get_model

    def build(name: str, classes: int, auxiliary: bool) -> "nn.Module":
        net: nn.Module = get_model(
            name, weights=None, weights_backbone=None, num_classes=classes, **({"aux_loss": True} if auxiliary else {})
        )
        return net

    return build


def fetch(name: str, offline: bool) -> Path:
    """torchvision's weights by torchvision's own download, which checks the sha256 and keeps the file.

    Raises ``DownloadError`` with the address.
    """
    address = ADDRESS + FILES[name]
    cure = "Fetch that file elsewhere, and give it with --weights FILE."
    if offline:
        raise DownloadError(f"Offline, {address} is not fetched.", cure)
    from torch import hub

    folder = Path(hub.get_dir()) / "checkpoints"
    path = folder / FILES[name]
    if not path.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            hub.download_url_to_file(address, str(path), hash_prefix=hash_prefix(path))
        except (OSError, RuntimeError) as error:  # no network, no room; another hash
            raise DownloadError(f"{address} could not be fetched: {error}.", cure) from error
    return path


def hash_prefix(path: Path) -> str | None:
    """The first digits of the sha256 that a file's name promises as torchvision's do, None where it promises none."""
    match = re.search(r"-([0-9a-f]{8,64})\.pth$", path.name)
    return match[1] if match else None


def read_weights(name: str, path: Path) -> Weights:
    """A state_dict from a .pth file; only tensors are read, never code. Raises ``ChecksumError``, ``ModelError``."""
    import torch

    sha256, promised = sha256_of(path), hash_prefix(path)
    if promised and not sha256.startswith(promised):
        raise ChecksumError(
            f"{path.name} has the sha256 {sha256}, which does not begin with {promised}.", "Fetch it again."
        )
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of pickle, zipfile, torch
        raise ModelError(
            f"{path.name} is no file of tensors: {first_line(error, 200)}",
            "Save the weights alone: torch.save(net.state_dict(), FILE).",
        ) from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]  # a checkpoint of torchvision's reference training
    if not isinstance(state, dict) or not any(key in state for key in LAST_LAYERS):
        raise ModelError(f"{path.name} has no weights of {name}.", "Give the state_dict of that very network.")
    own = hash_prefix(Path(FILES[name]))
    assert own is not None
    return Weights(state, sha256, sha256.startswith(own), path.name)


def found(name: str, weights: Weights, classes: int | None, request: ImportRequest, build: Build) -> ImportSource:
    """Card and network for ``weights``; see ``find``."""
    if classes is not None and classes != weights.classes:
        raise ConfigError(
            f"--classes is {classes}, but {weights.origin} has {weights.classes}.",
            "Leave --classes out.",
        )
    notes: list[str] = []
    side = request.side or SIDE
    image = Input(
        tensor=INPUT,
        layout="NCHW",
        resize="shortest-side",
        side=side,
        multiple=MULTIPLE,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )
    facts = SourceFacts(
        name=request.name or plain_name(name),
        version=weights.sha256[:8],
        description=f"torchvision's {name}, {weights.classes} classes, imported.",
        values="logits",
        origin={"imported_from": f"torchvision/{name}", "weights": weights.origin, "weights_sha256": weights.sha256},
    )
    labels = _labels(weights, request, notes)
    card = draft(facts, labels, _licence(weights, request, notes), image, name)
    return ImportSource(card, (image,), lambda: _loaded(name, weights, build), tuple(notes))


def _labels(weights: Weights, request: ImportRequest, notes: list[str]) -> list[str]:
    if request.labels:
        if len(request.labels) != weights.classes:
            raise ConfigError(
                f"{weights.origin} has {weights.classes} classes, --labels has {len(request.labels)}.",
                "Correct --labels.",
            )
        return list(request.labels)
    guesses: list[str] = []
    labels = list(VOC) if weights.official else usual_labels(weights.classes, guesses)
    notes += [f"guessed: {guess}" for guess in guesses]
    return labels


def _licence(weights: Weights, request: ImportRequest, notes: list[str]) -> Licence:
    if request.licence is None and not weights.official:
        raise LicenceError(f"{weights.origin} is not torchvision's own: its licence is unknown.", "Say --licence NAME.")
    licence = licence_of(request.licence) if request.licence else LICENCE
    if not licence.commercial_use:
        notes.append(f"guessed: licence {licence.name} does not allow commercial use")
    return licence


def _loaded(name: str, weights: Weights, build: Build) -> "nn.Module":
    net = build(name, weights.classes, any(key.startswith("aux_classifier.") for key in weights.state))
    try:
        net.load_state_dict(weights.state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(
            f"{weights.origin} does not fit {name}: {' '.join(lines[1:3])[:300]}",
            "Name the network of these weights.",
        ) from error
    from maskery.models.importers.dense import coarse

    return coarse(net)
