"""recipes/NAME.toml -> Recipe. One file says everything that makes a model; an unknown key is an error."""

import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from maskery.core import toml
from maskery.core.card import Detector
from maskery.core.errors import ConfigError, TrainingError
from maskery.core.labels import fault_of_names

UNLABELLED = "unlabelled"


class TrainingSource(msgspec.Struct, frozen=True, kw_only=True):
    """One data set: a folder (or zip) below the data root, its split and format.

    Attributes:
        path: Below the data root.
        split: Of the data set; "" for one without splits.
        format: A name of ``datasets.formats``, "auto" to recognise it, or "unlabelled": a folder of pictures (of
            ``split`` in it, where there is one) without masks.
        soft: A folder with a teacher's soft labels for these pictures (``training.soft_labels``), for ``loss.distil``.
        labelled: The only classes that this set's masks have; [] = all. Background is then judged only where the
            teacher sees none of the others.
        ignored: Classes of the set that are not judged, instead of becoming background.
        times: How often its pictures come in an epoch, on top of ``repeat_threshold``; 0.3 is every third of them.
    """

    path: str
    split: str = ""
    format: str = "auto"
    soft: str = ""
    labelled: list[str] = []
    ignored: list[str] = []
    times: float = 1.0


class Paste(msgspec.Struct, frozen=True, kw_only=True):
    """Copy-paste (arXiv 2012.07177): with ``probability`` an object of one of ``classes`` is put into the crop.

    The object's longer side is ``size`` times the crop's, drawn log-uniformly.
    """

    classes: list[str]
    probability: float = 0.3
    size: tuple[float, float] = (0.1, 0.5)


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The data sets and how crops are made of them.

    Attributes:
        root: Folder that the paths of the data sets begin at.
        labels: The name of a label set, or the classes themselves; "" = what the first data set names itself.
        train: What is trained on.
        validate: What the network is measured on.
        crop: Side of the training crops in pixels.
        crop_start: With it crops grow from this side to ``crop`` over ``epochs``: much the same result in less time
            (progressive learning, arXiv 2104.00298).
        mask_stride: Makes the masks (and the loss) coarser than the crop.
        scale: The picture's short side in multiples of ``crop``, drawn log-uniformly.
        rotate: Degrees, drawn from [-rotate, rotate].
        flip: Whether half of the crops are mirrored.
        swap: Pairs of classes that change places when a picture is flipped (left and right eye).
        colour_jitter: Brightness, contrast and saturation change by factors within 1 +- this.
        erase: Side of a grey square put over the picture, in crops (cutout, arXiv 1708.04552); classification only.
        cut_mix: Probability that a rectangle of another picture is put into one, which then is of both classes by area
            (arXiv 1905.04899); classification only.
        repeat_threshold: t repeats a picture max(1, sqrt(t / f)) times an epoch, f being the share of pictures with
            its rarest class (arXiv 1908.03195).
        passes: Shows every picture so many times an epoch.
        paste: Copy-paste of objects.
    """

    root: str = "."
    labels: str | list[str] = ""
    train: list[TrainingSource]
    validate: TrainingSource
    crop: int = 256
    crop_start: int = 0
    mask_stride: int = 2
    scale: tuple[float, float] = (0.75, 1.6)
    rotate: float = 0.0
    flip: bool = True
    swap: list[tuple[str, str]] = []
    colour_jitter: float = 0.3
    erase: float = 0.0
    cut_mix: float = 0.0
    repeat_threshold: float = 0.0
    passes: int = 1
    paste: Paste | None = None


NetworkName = Literal["light_decoder", "bisenet", "deeplabv3plus", "fcn", "lraspp", "classifier", "prompt_decoder"]
BackboneName = Literal["efficientnet_lite0", "resnet18", "resnet50", "resnet101"]


class NetworkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The network and the weights that it begins with.

    Attributes:
        name: Which network.
        backbone: Which backbone; some networks have their own.
        width: Channels of the decoder or head.
        dropout: Share of channels that are left out before the last layer.
        imagenet: Start from the ImageNet weights that ``maskery[train]`` brings (EfficientNet-Lite0 only).
        weights: A state_dict file for the backbone instead.
        start: A built-in or stored model, or a model folder, whose weights this network goes on with; then all batch
            norms keep their statistics.
        start_share: The result is so much of those weights and the rest of the trained ones, which often is better
            than either (arXiv 2109.01903).
        frozen_blocks: Stem and so many first blocks stay as they are.
        frozen_norm: The backbone's batch norms keep their statistics, as suits small batches.
        last_stage: The backbone ends after that stage; fewer make a smaller model, 8 is all of the published network
            but its 1000 classes.
        mirror: A trained classifier also looks at the mirror image and answers by both, at twice the work.
        encoder: Of a ``prompt_decoder``: the built-in or stored model, or the model folder, whose maps it is given.
            They never learn.
        maps: Which maps: name -> the tensors of the encoder's file, several of which are concatenated.
    """

    name: NetworkName
    backbone: BackboneName = "efficientnet_lite0"
    width: int = 128
    dropout: float = 0.1
    imagenet: bool = True
    weights: str = ""
    start: str = ""
    start_share: float = 0.0
    frozen_blocks: int = 0
    frozen_norm: bool = False
    last_stage: int = 6
    mirror: bool = False
    encoder: str = ""
    maps: dict[str, list[str]] = {}


class PromptSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a ``prompt_decoder`` is asked while it learns. Its crops are ``data.scale`` longer sides of an object.

    Attributes:
        least_area: Smaller objects are left out; pixels of the picture.
        held_out: Every so many-th picture of the training sets is not learnt from, and judges the run.
        whole: Share of the crops that show all of the picture.
        shift: How far from the middle an object may lie: 0, always in the middle; 1, up to the crop's edge.
        boxes: Share of the objects that are asked for by a box.
        both: By a box and a click; the rest by a click.
        jitter: How far edges of boxes are off, as a share of the box's sides (standard deviation, at most).
        deepest: Share of the clicks that go to the middle of the object or of an error; others go anywhere in it.
        rounds: Of clicks into errors, 0 to one less than this many follow in a step.
        forget: Share of the later rounds that are not shown the mask of the round before.
        edge_weight: Pixels at the object's outline count so much more.
    """

    least_area: int = 200
    held_out: int = 25
    whole: float = 0.2
    shift: float = 0.8
    boxes: float = 0.4
    both: float = 0.1
    jitter: float = 0.05
    deepest: float = 0.5
    rounds: int = 3
    forget: float = 0.15
    edge_weight: float = 3.0


class OptimiserSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Peak ``rate`` for ``epochs`` under a schedule, then ``hold_epochs`` at the constant ``hold_rate``.

    Attributes:
        name: AdamW, or SGD with ``momentum``.
        schedule: ``one-cycle`` (arXiv 1708.07120), or ``poly`` with power 0.9 after a linear warm-up.
        rate: The peak learning rate.
        backbone_factor: Times ``rate``: that of the backbone.
        weight_decay: Of all weights.
        momentum: SGD's.
        warmup: Share of the steps before the peak.
        batch: Crops a step.
        epochs: Under the schedule.
        hold_epochs: After it.
        hold_rate: The constant rate of ``hold_epochs``: averaging along it finds flatter minima than the end of a
            schedule (arXiv 1803.05407).
        ema: Decay of the averaged weights, the ones that are kept; it begins lower and grows.
        clip: Largest norm of the gradient.
        precision: ``mixed`` computes in bfloat16 what tolerates it, weights and losses stay float32; ``auto`` does so
            on CUDA only.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["one-cycle", "poly"] = "one-cycle"
    rate: float = 1e-3
    backbone_factor: float = 1.0
    weight_decay: float = 1e-2
    momentum: float = 0.9
    warmup: float = 0.1
    batch: int = 16
    epochs: int = 8
    hold_epochs: int = 0
    hold_rate: float = 0.0
    ema: float = 0.998
    clip: float = 5.0
    precision: Literal["auto", "float32", "mixed"] = "auto"

    @property
    def total_epochs(self) -> int:
        return self.epochs + self.hold_epochs


class LossSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of the summed losses.

    Attributes:
        cross_entropy: Of the cross-entropy.
        dice: Of the Dice loss.
        ohem: Only pixels whose class has less than this probability count in the cross-entropy, at least a sixteenth
            of all (online hard example mining, arXiv 1604.03540); 0 = all.
        auxiliary: Of the networks' side outputs.
        smoothing: Label smoothing of the cross-entropy.
        distil: Of the distance to the soft labels of the data sets that have some, both softened by ``temperature``
            (distillation, arXiv 1503.02531).
        temperature: Of the distillation.
    """

    cross_entropy: float = 1.0
    dice: float = 0.0
    ohem: float = 0.0
    auxiliary: float = 0.4
    smoothing: float = 0.0
    distil: float = 0.0
    temperature: float = 2.0


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """What the card states, and how the model is served.

    Attributes:
        description: Of the model.
        licence: Its name.
        commercial_use: Whether the licence allows it.
        licence_note: More about the licence.
        resize: The card's.
        side: Working size in pixels.
        max_side: Largest working size in pixels that a request may choose.
        half: Store the weights as float16.
        detector: The card's, for a model of faces.
        check: Shares of classes on the stored picture (``card_facts.Check``).
    """

    description: str
    licence: str
    commercial_use: bool
    licence_note: str = ""
    resize: Literal["longest-side", "shortest-side", "square", "stretch"] = "longest-side"
    side: int = 384
    max_side: int = 1024
    half: bool = True
    detector: Detector | None = None
    check: dict[str, float] = {}


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes a model.

    Attributes:
        name: Of the model.
        version: Of the model.
        seed: Of everything random.
        data: What it learns from.
        network: What learns.
        optimiser: How it learns.
        loss: What it learns for.
        publish: The model that is made of the run.
        prompts: What a ``prompt_decoder`` is asked; of no use to others.
    """

    name: str
    version: str
    seed: int
    data: Data
    network: NetworkSpec
    optimiser: OptimiserSpec
    loss: LossSpec = LossSpec()
    publish: Publish
    prompts: PromptSpec = PromptSpec()

    @property
    def classifies(self) -> bool:
        """Whether this makes a classifier."""
        return self.network.name == "classifier"

    @property
    def cuts_out(self) -> bool:
        """Whether this makes a model that is asked by prompts."""
        return self.network.name == "prompt_decoder"


def load_recipe(path: Path) -> Recipe:
    """Parse and check the recipe at ``path``. Raises ``ConfigError``."""
    recipe = toml.read_toml(path, Recipe)
    data, optimiser = recipe.data, recipe.optimiser
    _check_ranges(path, recipe)
    for side in (data.crop, data.crop_start):
        if side % 32 or side % data.mask_stride:
            raise ConfigError(f"{path}: a crop is {side} pixels.", "Make it a multiple of 32 and of mask_stride.")
    if not 0 < data.scale[0] <= data.scale[1]:
        raise ConfigError(f"{path}: data.scale is {data.scale}.", "Give [low, high] with 0 < low <= high.")
    if not data.train:
        raise ConfigError(f"{path}: data.train is empty.", "Name at least one data set.")
    if optimiser.batch < 2 or optimiser.epochs < 1 or data.passes < 1:
        raise ConfigError(f"{path}: batch, epochs or passes is too small.", "Give batch >= 2, epochs and passes >= 1.")
    if recipe.classifies and (data.paste or data.swap or recipe.loss.dice or recipe.loss.ohem):
        raise ConfigError(
            f"{path}: paste, swap, dice and ohem are for masks, and a classifier has none.", "Take them out."
        )
    if not 0 <= recipe.network.start_share < 1 or (recipe.network.start_share and not recipe.network.start):
        raise ConfigError(
            f"{path}: network.start_share is {recipe.network.start_share}.",
            "Give a share in 0 <= share < 1 of the model that network.start names.",
        )
    if not recipe.classifies and (data.erase or data.cut_mix or recipe.network.mirror):
        raise ConfigError(f"{path}: data.erase, data.cut_mix and network.mirror are for classifiers.", "Take them out.")
    _check_teaching(path, recipe)
    _check_prompts(path, recipe)
    return recipe


_RANGES = {  # key of a recipe -> (low, high, whether low itself is too small, whether high itself is too large)
    "data.crop": (0, 1 << 16, True, False),
    "data.crop_start": (0, 1 << 16, False, False),
    "data.mask_stride": (1, 1 << 16, False, False),
    "data.rotate": (0, 180, False, False),
    "data.colour_jitter": (0, 1, False, True),
    "data.erase": (0, 1, False, False),
    "data.cut_mix": (0, 1, False, False),
    "data.repeat_threshold": (0, 1, False, False),
    "network.width": (1, 1 << 16, False, False),
    "network.dropout": (0, 1, False, True),
    "optimiser.rate": (0, math.inf, True, True),
    "optimiser.backbone_factor": (0, math.inf, False, True),
    "optimiser.weight_decay": (0, math.inf, False, True),
    "optimiser.momentum": (0, 1, False, True),
    "optimiser.warmup": (0, 1, False, False),
    "optimiser.hold_epochs": (0, math.inf, False, True),
    "optimiser.hold_rate": (0, math.inf, False, True),
    "optimiser.ema": (0, 1, False, True),
    "optimiser.clip": (0, math.inf, True, False),
    "loss.cross_entropy": (0, math.inf, False, True),
    "loss.dice": (0, math.inf, False, True),
    "loss.ohem": (0, 1, False, False),
    "loss.auxiliary": (0, math.inf, False, True),
    "loss.smoothing": (0, 1, False, True),
    "publish.side": (1, 1 << 16, False, False),
    "publish.max_side": (1, 1 << 16, False, False),
}


def _check_ranges(path: Path, recipe: Recipe) -> None:
    """Raises ``ConfigError`` for a number that no training can use, and for names of classes that are no names."""
    for key, (low, high, above, below) in _RANGES.items():
        table, _, name = key.partition(".")
        value = getattr(getattr(recipe, table), name)
        if not low <= value <= high or (above and value == low) or (below and value == high):
            limits = f"{low} {'<' if above else '<='} {name}" + (
                "" if high == math.inf else f" {'<' if below else '<='} {high}"
            )
            raise ConfigError(f"{path}: {key} is {value}.", f"Give a number in {limits}.")
    labels = recipe.data.labels
    fault = "" if isinstance(labels, str) else fault_of_names(labels)
    if fault:
        raise ConfigError(f"{path}: data.labels: {fault}", "Give each class a name of its own.")


def _check_prompts(path: Path, recipe: Recipe) -> None:
    """Raises ``ConfigError`` where keys of a ``prompt_decoder`` are missing, or are there for another network."""
    network, data, prompts = recipe.network, recipe.data, recipe.prompts
    if not recipe.cuts_out:
        if network.encoder or network.maps or prompts != PromptSpec():
            raise ConfigError(f"{path}: encoder, maps and [prompts] are for a prompt_decoder.", "Take them out.")
        return
    if not network.encoder or not network.maps:
        raise ConfigError(f"{path}: a prompt_decoder needs an encoder.", "Give network.encoder and [network.maps].")
    if data.paste or data.swap or data.rotate or data.repeat_threshold or network.start or data.labels:
        raise ConfigError(
            f"{path}: labels, paste, swap, rotate, repeat_threshold and start are of no use to a prompt_decoder.",
            "Take them out.",
        )
    if data.mask_stride != 2 or data.scale[0] < 1:
        raise ConfigError(
            f"{path}: mask_stride is {data.mask_stride} and scale {data.scale}.",
            "A prompt_decoder has mask_stride = 2, and its crops are at least as large as the object.",
        )
    if prompts.rounds < 1 or prompts.held_out < 2 or not 0 <= prompts.boxes + prompts.both <= 1:
        raise ConfigError(
            f"{path}: rounds, held_out or the shares of [prompts] cannot be.",
            "Give rounds of at least 1, held_out of at least 2 and shares that add up to at most 1.",
        )


def _check_teaching(path: Path, recipe: Recipe) -> None:
    """Raises ``ConfigError`` where soft labels and the rest do not suit each other."""
    data, loss = recipe.data, recipe.loss
    taught = [source for source in data.train if source.soft]
    if bool(taught) != (loss.distil > 0) or loss.distil < 0 or loss.temperature <= 0:
        raise ConfigError(
            f"{path}: loss.distil is {loss.distil} and {len(taught)} of the data sets have soft labels.",
            "Give a weight above 0 and soft = FOLDER for a data set, or neither; the temperature is above 0.",
        )
    if taught and (recipe.classifies or data.rotate):
        raise ConfigError(
            f"{path}: soft labels are for masks, and are not turned with the picture.", "Take data.rotate or them out."
        )
    for source in data.train:
        if source.format == UNLABELLED and not source.soft:
            raise ConfigError(f"{path}: {source.path} has neither masks nor soft labels.", "Give it soft = FOLDER.")
        if source.labelled and not source.soft:
            raise ConfigError(
                f"{path}: {source.path} has some classes only, and no soft labels that could tell the others from "
                "background.",
                "Give it soft = FOLDER.",
            )
        if source.times <= 0:
            raise ConfigError(f"{path}: times of {source.path} is {source.times}.", "Give a number above 0.")
    if data.validate.format == UNLABELLED or data.validate.soft:
        raise ConfigError(f"{path}: validation needs masks, and uses no soft labels.", "Correct data.validate.")


class Decisive(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a recipe that decide the weights.

    Attributes:
        name: Of the model.
        seed: Of everything random.
        data: What it learns from.
        network: What learns.
        optimiser: How it learns.
        loss: What it learns for.
        prompts: What it is asked.
    """

    name: str
    seed: int
    data: Data
    network: NetworkSpec
    optimiser: OptimiserSpec
    loss: LossSpec
    prompts: PromptSpec = PromptSpec()


def fingerprint(recipe: Recipe) -> str:
    """As canonical text."""
    parts = {name: getattr(recipe, name) for name in Decisive.__struct_fields__}
    return msgspec.json.encode(parts, order="deterministic").decode()


def differences(former: str, recipe: Recipe) -> list[str]:
    """What has changed since the fingerprint ``former``: ``optimiser.rate was 0.001 and is 0.002``; mostly nothing.

    A key that recipes did not have then had its default. Raises ``TrainingError`` for a fingerprint of another form.
    """
    if former == fingerprint(recipe):
        return []
    try:
        then = msgspec.json.decode(former, type=Decisive)
    except msgspec.MsgspecError as error:
        raise TrainingError(f"The checkpoint's recipe is not understood: {error}.", "Choose another --out.") from error
    now = Decisive(**{name: getattr(recipe, name) for name in Decisive.__struct_fields__})
    old, new = (dict(_flat("", msgspec.to_builtins(parts))) for parts in (then, now))
    return [
        f"{key} was {old.get(key, 'absent')} and is {new.get(key, 'absent')}"
        for key in old | new
        if key not in old or key not in new or old[key] != new[key]
    ]


def _flat(where: str, value: Any) -> list[tuple[str, Any]]:
    """Every innermost value with its dotted key."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(f"{where}.{key}".strip("."), inner)]
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        return [pair for i, inner in enumerate(value) for pair in _flat(f"{where}[{i}]", inner)]
    return [(where, value)]
