"""A trained network of ``prompt`` -> the folder of a model: two networks and their card."""

import hashlib
from pathlib import Path

from maskery.core.card import CARD_NAME, Licence, ModelCard, Network
from maskery.core.card_facts import Check
from maskery.core.card_tensors import Input, Output
from maskery.models.card_toml import card_text
from maskery.training.networks.prompt_decoder import PromptNet
from maskery.training.prompt_export import MAPS, MASKS, PROMPTS, SCORES, export_prompt
from maskery.training.recipe import Recipe

ENCODER, DECODER = "encoder", "decoder"
LABELS = ["background", "object"]
PAD = 127
Facts = dict[str, str | int | float]


def write_prompt_model(recipe: Recipe, net: PromptNet, facts: Facts, folder: Path) -> ModelCard:
    """Export ``net`` into ``folder`` and write its card, without what is measured.

    ``facts``: what the card says of the training. Raises ``TrainingError`` when torch and ONNX Runtime disagree.
    """
    files = {name: folder / f"{name}.onnx" for name in (ENCODER, DECODER)}
    proof = export_prompt(net, files[ENCODER], files[DECODER], recipe.publish.half)
    parity: Facts = {
        "parity_torch_onnx": proof.exact,
        "parity_after_half_storage": proof.stored,
        "classes_changed_by_half_storage": proof.changed,
    }
    card = _card(recipe, net, files, facts | parity)
    (folder / CARD_NAME).write_text(card_text(card), encoding="utf-8")
    return card


def _card(recipe: Recipe, net: PromptNet, files: dict[str, Path], training: Facts) -> ModelCard:
    settings, encoder, side = recipe.publish, net.encoder, recipe.publish.side
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        task="prompt",
        description=settings.description,
        licence=Licence(name=settings.licence, commercial_use=settings.commercial_use, note=settings.licence_note),
        labels=LABELS,
        networks=[
            _network(ENCODER, files[ENCODER], [encoder.input], list(MAPS)),
            _network(DECODER, files[DECODER], [*MAPS, PROMPTS], [MASKS, SCORES]),
        ],
        inputs=[
            Input(
                tensor=encoder.input,
                layout="NCHW",
                resize="letterbox",
                size=(side, side),
                mean=encoder.pixel_mean,
                std=encoder.pixel_std,
                pad_value=PAD,
            ),
            Input(tensor=PROMPTS, role="prompt-maps"),
        ],
        outputs=[
            Output(tensor=MASKS, role="masks", layout="CHW", values="logits"),
            Output(tensor=SCORES, role="mask-scores", layout="C"),
        ],
        check=Check(shares=settings.check) if settings.check else None,
        training=training,
    )


def _network(name: str, path: Path, inputs: list[str], outputs: list[str]) -> Network:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Network(file=path.name, sha256=digest, bytes=len(data), name=name, inputs=inputs, outputs=outputs)
