"""A finished run -> a model folder that serves: weights, card with measured quality, recipe."""

import hashlib
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from maskery.core.card import CARD_NAME, Licence, ModelCard, Network
from maskery.core.card_facts import Check, Quality
from maskery.core.card_tensors import Input, Output
from maskery.core.errors import ConfigError
from maskery.core.labels import PALETTES, Colour
from maskery.core.settings import load_settings
from maskery.evaluation.measure import measure
from maskery.evaluation.measurement import EvaluationOptions
from maskery.evaluation.prompts import PromptOptions, measure_prompts
from maskery.inference.prompts.prompt_model import open_prompt_model
from maskery.models.card_toml import card_text
from maskery.models.importers.torch_onnx import Proof
from maskery.models.loading import open_model
from maskery.models.store import Store
from maskery.training import log
from maskery.training.loop import TrainingRun
from maskery.training.networks.base import Net
from maskery.training.networks.prompt_decoder import PromptNet
from maskery.training.onnx_export import INPUT, OUTPUT, export_onnx
from maskery.training.prompt_publish import write_prompt_model
from maskery.training.recipe import Recipe


def publish(run: TrainingRun, recipe_path: Path, folder: Path) -> ModelCard:
    """Export the run's averaged weights into ``folder``, evaluate them there, and write what was found into the card.

    What is measured is the exported file through the pipeline that serves, at the pictures' own size. Raises
    ``TrainingError`` when torch and ONNX Runtime disagree.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe, net = run.recipe, run.averaged().cpu()
    shutil.copyfile(recipe_path, folder / "recipe.toml")
    if isinstance(net, PromptNet):
        card = write_prompt_model(recipe, net, _facts(run), folder)
        return _with_quality(card, _prompts_measured(recipe, run.root, folder), folder)
    weights = folder / f"{recipe.name}.onnx"
    proof = export_onnx(net, weights, recipe.publish.half)
    data = weights.read_bytes()
    network = Network(file=weights.name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    card = _card(recipe, net, run.labels, network, _facts(run) | _parity(proof))
    source = recipe.data.validate
    where = run.root / source.path
    (folder / CARD_NAME).write_text(card_text(card), encoding="utf-8")
    model = open_model(Store(load_settings()).locate(f"{folder}/"))
    measured = measure(model, where, source.split, EvaluationOptions(format=source.format))
    return _with_quality(card, measured.for_card(source.path), folder)


def _with_quality(card: ModelCard, quality: Quality, folder: Path) -> ModelCard:
    card = msgspec.structs.replace(card, quality=quality)
    (folder / CARD_NAME).write_text(card_text(card), encoding="utf-8")
    return card


def _prompts_measured(recipe: Recipe, root: Path, folder: Path) -> Quality:
    located, source = Store(load_settings()).locate(f"{folder}/"), recipe.data.validate
    model = open_prompt_model(located.card, located.files)
    options = PromptOptions(format=source.format)
    return measure_prompts(model, root / source.path, source.split, options).for_card(source.path)


def check_publishable(run: TrainingRun) -> None:
    """Make the card before there are weights. Raises ``ConfigError`` where the recipe's card could not be written."""
    nothing = Network(file=f"{run.recipe.name}.onnx", sha256="0" * 64, bytes=0)
    try:
        _card(run.recipe, run.net, run.labels, nothing, {})
    except ValueError as error:
        raise ConfigError(
            f"The recipe makes no model: {error}.", "Correct the recipe or the data set's classes."
        ) from error


def _card(
    recipe: Recipe, net: Net, labels: Sequence[str], network: Network, training: dict[str, str | int | float]
) -> ModelCard:
    settings = recipe.publish
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        task="classification" if recipe.classifies else "semantic",
        description=settings.description,
        networks=[network],
        licence=Licence(name=settings.licence, commercial_use=settings.commercial_use, note=settings.licence_note),
        labels=list(labels),
        palette=_palette(recipe),
        inputs=[_input(recipe, net)],
        outputs=[Output(tensor=OUTPUT, role="scores", layout="C" if recipe.classifies else "CHW")],
        detector=settings.detector,
        check=Check(shares=settings.check) if settings.check else None,
        training=training,
    )


def _input(recipe: Recipe, net: Net) -> Input:
    settings, backbone = recipe.publish, net.backbone
    return Input(
        tensor=INPUT,
        layout="NCHW",
        resize=settings.resize,
        side=None if settings.resize == "stretch" else settings.side,
        size=(settings.side, settings.side) if settings.resize == "stretch" else None,
        multiple=net.multiple,
        max_side=settings.max_side,
        mean=backbone.pixel_mean,
        std=backbone.pixel_std,
    )


def _palette(recipe: Recipe) -> Literal["voc"] | list[Colour]:
    """The colours that the recipe's label set is usually shown in."""
    name = recipe.data.labels
    return list(PALETTES[name]) if isinstance(name, str) and name in PALETTES else "voc"


def _facts(run: TrainingRun) -> dict[str, str | int | float]:
    """What a reader of the card wants to know about how the weights came to be.

    The machine is the one that trained last, where the run's log says it. ``minutes`` are this run's own, without those
    of the model that it started from.
    """
    here = {"machine": platform.machine(), "device": str(run.device), "threads": run.threads}
    machine = here | log.settings(run.out)
    return {
        "pictures": run.job.pictures,
        "epochs": run.epoch,
        "minutes": round(run.seconds / 60, 1),
        "machine": f"{machine['machine']}, {machine['device']}, {machine['threads']} threads",
        "finished": time.strftime("%Y-%m-%d"),
        **_of_start(run.start),
    }


def _parity(proof: Proof) -> dict[str, str | int | float]:
    return {
        "parity_torch_onnx": proof.exact,
        "parity_after_half_storage": proof.stored,
        "classes_changed_by_half_storage": proof.changed,
    }


def _of_start(card: ModelCard | None) -> dict[str, str | int | float]:
    """Which model a run started from, and the minutes that made it, as far as its card says them."""
    if card is None:
        return {}
    minutes = [card.training[key] for key in ("minutes", "start_minutes") if key in card.training]
    facts: dict[str, str | int | float] = {"start": f"{card.name} {card.version}, sha256 {card.sha256[:12]}"}
    return facts | ({"start_minutes": round(sum(float(m) for m in minutes), 1)} if minutes else {})
