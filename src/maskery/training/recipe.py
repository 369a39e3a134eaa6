"""recipes/NAME.toml -> Recipe. One file says everything that makes a model; an unknown key is an error."""

from pathlib import Path
from typing import Literal

import msgspec

from maskery import strict
from maskery.errors import ConfigError


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One data set: a folder below the data root, its split and format."""

    path: str
    split: str
    format: str = "auto"


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """``scale`` is the picture's short side in multiples of ``crop``, drawn log-uniformly.

    ``mask_stride`` makes the masks (and the loss) coarser than the crop. ``repeat_threshold`` t repeats a picture
    max(1, sqrt(t / f)) times an epoch, f being the share of pictures with its rarest class (arXiv 1908.03195).
    """

    root: str
    labels: str
    train: list[Source]
    validate: Source
    crop: int = 256
    mask_stride: int = 2
    scale: tuple[float, float] = (0.75, 1.6)
    flip: bool = True
    colour_jitter: float = 0.3
    repeat_threshold: float = 0.0


NetworkName = Literal["light_decoder", "bisenet", "deeplabv3plus", "fcn", "lraspp", "classifier"]
BackboneName = Literal["efficientnet_lite0", "resnet18", "resnet50", "resnet101"]


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """``imagenet``: start from the ImageNet weights that ``maskery[train]`` brings (EfficientNet-Lite0 only).

    ``weights``: a state_dict file for the backbone instead. ``frozen_blocks``: stem and so many first blocks stay as
    they are. ``frozen_norm``: the backbone's batch norms keep their statistics, as suits small batches.
    ``last_stage``: the backbone ends after that stage; fewer make a smaller model.
    """

    name: NetworkName
    backbone: BackboneName = "efficientnet_lite0"
    width: int = 128
    dropout: float = 0.1
    imagenet: bool = True
    weights: str = ""
    frozen_blocks: int = 0
    frozen_norm: bool = False
    last_stage: int = 6


class Optimiser(msgspec.Struct, frozen=True, kw_only=True):
    """AdamW, one-cycle schedule with peak ``rate`` for ``epochs``, then ``hold_epochs`` at the constant ``hold_rate``.

    ``ema``: decay of the averaged weights, the ones that are kept. Averaging along a constant rate finds flatter minima
    than the end of a schedule (arXiv 1803.05407).
    """

    rate: float = 1e-3
    backbone_factor: float = 1.0
    weight_decay: float = 1e-2
    warmup: float = 0.1
    batch: int = 16
    epochs: int = 8
    hold_epochs: int = 0
    hold_rate: float = 0.0
    ema: float = 0.998
    clip: float = 5.0

    @property
    def total_epochs(self) -> int:
        return self.epochs + self.hold_epochs


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of the summed losses."""

    cross_entropy: float = 1.0
    dice: float = 0.0


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """What the card says, and how the model is served: ``side`` and ``max_side`` are pixels of the longest side.

    ``half``: store the weights as float16. ``check``: shares of classes on the stored picture (``model_card.Check``).
    """

    description: str
    licence: str
    commercial_use: bool
    licence_note: str = ""
    side: int = 384
    max_side: int = 1024
    half: bool = True
    check: dict[str, float] = {}


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: str
    seed: int
    data: Data
    network: Network
    optimiser: Optimiser
    loss: Loss
    publish: Publish


def load_recipe(path: Path) -> Recipe:
    """Parse and check the recipe at ``path``. Raises ``ConfigError``."""
    recipe = strict.read_toml(path, Recipe)
    if recipe.data.crop % 32 or recipe.data.crop % recipe.data.mask_stride:
        raise ConfigError(f"{path}: data.crop is {recipe.data.crop}.", "Make it a multiple of 32 and of mask_stride.")
    if not 0 < recipe.data.scale[0] <= recipe.data.scale[1]:
        raise ConfigError(f"{path}: data.scale is {recipe.data.scale}.", "Give [low, high] with 0 < low <= high.")
    return recipe
