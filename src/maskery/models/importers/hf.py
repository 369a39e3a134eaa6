"""A semantic or universal segmentation model of ``transformers`` in a folder: config, processor, safetensors, README.

No pickle is read and no code of the folder is run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from maskery.core.card import Licence
from maskery.core.card_tensors import Input
from maskery.core.errors import ConfigError, LicenceError, MissingExtra, ModelError, first_line, nearest
from maskery.models.catalog import licence_of
from maskery.models.download import sha256_of
from maskery.models.importers.draft import ImportRequest, ImportSource, SourceFacts, distinct, draft, plain_name
from maskery.models.importers.hf_input import Room, inputs_of
from maskery.models.importers.hub import Snapshot, licence_of_readme

if TYPE_CHECKING:
    from torch import nn

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
# Where a processor of pictures and words keeps both.
WHOLE_PROCESSOR = "processor_config.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


@dataclass(frozen=True)
class Kind:
    """How a type of model is taken. ``free``: takes any size; ``own_size``: built for ``image_size`` of its config.

    ``grid``: sides that transformers enlarges the masks of queries to: pixels, or those of the picture.
    """

    form: Literal["dense", "pyramid", "queries"]
    free: bool = False
    own_size: bool = False
    grid: int | Literal["own", "picture"] = "own"


KINDS = {
    "segformer": Kind("dense", free=True),
    "mobilenet_v2": Kind("dense", free=True),
    "mobilevit": Kind("dense"),
    "mobilevitv2": Kind("dense"),
    "beit": Kind("dense", own_size=True),
    "data2vec-vision": Kind("dense", own_size=True),
    "dpt": Kind("dense", own_size=True),
    "upernet": Kind("pyramid"),
    "maskformer": Kind("queries"),
    "mask2former": Kind("queries", grid=384),
    "oneformer": Kind("queries"),
    "eomt": Kind("queries", own_size=True, grid="picture"),
}


def find(snapshot: Snapshot, request: ImportRequest) -> ImportSource:
    """What importing the model in ``snapshot`` takes.

    Raises ``MissingExtra``; ``ModelError`` for a folder that has no such model, or only pickled weights;
    ``LicenceError`` where neither its README nor the user says a licence; ``ConfigError`` for labels that do not fit.
    """
    folder, notes = snapshot.folder, list[str]()
    config = _json(folder, CONFIG)
    kind = _kind(config, folder)
    weights = _weights(folder)
    licence = _licence(folder, request, notes)
    expect_transformers()
    labels = _labels(config, request, notes)
    inputs = inputs_of(_processor(folder), _room(kind, config), request.side, notes)
    hashes = {path.name: sha256_of(path) for path in weights}
    facts = SourceFacts(
        name=request.name or plain_name(snapshot.name),
        version=(snapshot.revision or next(iter(hashes.values())))[:8],
        description=f"{config['model_type']}, {len(labels)} classes, imported from {snapshot.name}.",
        values="probabilities" if kind.form == "queries" else "logits",
        origin=_origin(snapshot, hashes),
    )
    card = draft(facts, labels, licence, inputs[0], snapshot.name)
    return ImportSource(card, inputs, lambda: load(folder, kind, inputs[0]), tuple(notes))


def expect_transformers() -> None:
    """Raises ``MissingExtra``."""
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise MissingExtra(
            "Importing from Hugging Face needs transformers and torch.",
            "Run: pip install 'maskery[hf]' (once; what is imported is served without it).",
        )


def _origin(snapshot: Snapshot, hashes: dict[str, str]) -> dict[str, str]:
    origin = {"imported_from": f"hf/{snapshot.name}"}
    origin |= {"revision": snapshot.revision} if snapshot.revision else {}
    return origin | {f"sha256 of {name}": digest for name, digest in hashes.items()}


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{folder / name} cannot be read: {error.strerror}.", "Give the folder of a model.") from error
    except ValueError as error:
        raise ModelError(f"{folder / name} is no JSON: {error}.", "Fetch it again.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{folder / name} is no JSON object.", "Fetch it again.")
    return value


def _kind(config: dict[str, Any], folder: Path) -> Kind:
    name = config.get("model_type")
    if not isinstance(name, str) or name not in KINDS:
        cure = nearest(str(name), KINDS) if name else "Its config.json says no model_type."
        raise ModelError(f"{folder.name} is of type {name!r}, which is not imported.", cure)
    return KINDS[name]


def _weights(folder: Path) -> list[Path]:
    """The .safetensors files, by name."""
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return found
    pickles = [path.name for pattern in PICKLES for path in sorted(folder.glob(pattern))]
    if pickles:
        raise ModelError(
            f"{folder.name} has its weights in {pickles[0]} only: such a file can run code when it is read.",
            "Take a revision with model.safetensors, or save it so: net.save_pretrained(FOLDER).",
        )
    raise ModelError(f"{folder.name} has no .safetensors file.", "Give the whole folder of the model.")


def _licence(folder: Path, request: ImportRequest, notes: list[str]) -> Licence:
    name = request.licence or licence_of_readme(folder)
    if name is None:
        raise LicenceError(f"{folder.name} says no licence.", "Read its terms, and say --licence NAME.")
    licence = licence_of(name, "" if request.licence else "As its README says.")
    if not licence.commercial_use:
        notes.append(f"guessed: licence {licence.name} does not allow commercial use")
    return licence


def _labels(config: dict[str, Any], request: ImportRequest, notes: list[str]) -> list[str]:
    """The user's, else ``id2label``. Raises ``ConfigError`` for another number, ``ModelError`` for gaps."""
    named = config.get("id2label") or {str(i): f"LABEL_{i}" for i in range(int(config.get("num_labels", 2)))}
    ids = sorted(int(key) for key in named)
    if ids != list(range(len(ids))):
        raise ModelError("config.json: the ids of id2label have gaps.", "They must be 0, 1, 2 ...")
    if request.labels:
        if len(request.labels) != len(ids):
            raise ConfigError(f"It has {len(ids)} classes, --labels has {len(request.labels)}.", "Correct --labels.")
        return list(request.labels)
    labels = [str(named[str(i)]).strip() for i in ids]
    if labels == [f"LABEL_{i}" for i in ids]:
        notes.append("config.json names no classes: they are numbered (say --labels FILE)")
    unique = distinct(labels)
    notes += [f"the label of class {i} becomes {new!r}" for i, new in enumerate(unique) if new != labels[i]]
    return unique


def _processor(folder: Path) -> dict[str, Any]:
    """What the image processor does, defaults included: the file says only what differs from them."""
    from transformers import AutoImageProcessor

    present = [name for name in (PROCESSOR, WHOLE_PROCESSOR) if (folder / name).is_file()]
    if not present:
        raise ModelError(
            f"{folder.name} has no {PROCESSOR}: how pictures are prepared is unknown.",
            "Give the whole folder of the model.",
        )
    _json(folder, present[0])
    try:
        processor = AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers' exceptions share no base class
        raise ModelError(f"{present[0]} is not understood: {first_line(error)}", "Correct it.") from error
    values: dict[str, Any] = {name: getattr(processor, name, None) for name in processor.to_dict()}
    return values


def _room(kind: Kind, config: dict[str, Any]) -> Room:
    size = config.get("image_size") if kind.own_size else None
    if isinstance(size, list | tuple):
        return Room(kind.free, (int(size[1]), int(size[0])))
    return Room(kind.free, (int(size), int(size)) if size else None)


def load(folder: Path, kind: Kind, spec: Input) -> "nn.Module":
    """The network with all its weights, in eval mode, float32, for pictures as ``spec`` says. Raises ``ModelError``."""
    import torch
    from transformers import AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation

    from maskery.models.importers import dense

    _quiet()
    family: Any = AutoModelForUniversalSegmentation if kind.form == "queries" else AutoModelForSemanticSegmentation
    try:
        net, report = family.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation="eager",  # the fused ones hand out layouts that the exporter cannot follow
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # as above
        raise ModelError(f"{folder.name} cannot be loaded: {first_line(error)}", "Check its files.") from error
    parameters = {name for name, _ in net.named_parameters()}
    expect_whole(folder.name, sorted(parameters & set(report["missing_keys"])))
    if kind.form != "queries":
        return (dense.Pyramid(net) if kind.form == "pyramid" else dense.Dense(net)).eval()
    task = _task(folder, net) if net.config.model_type == "oneformer" else None
    return dense.Queries(net, _grid_hw(kind, spec), task).eval()


def _grid_hw(kind: Kind, spec: Input) -> tuple[int, int] | None:
    if isinstance(kind.grid, int):
        return kind.grid, kind.grid
    return (spec.size[1], spec.size[0]) if spec.size and kind.grid == "picture" else None


def expect_whole(name: str, missing: Sequence[str]) -> None:
    """Raises ``ModelError`` where weights are missing, which would be random numbers."""
    if missing:
        raise ModelError(
            f"{name} lacks {len(missing)} weights of its network, {missing[0]} for one.",
            "It is not trained for segmentation: take a model that is.",
        )


def _task(folder: Path, net: Any) -> Any:
    """The tokens that tell a OneFormer its task, (1, length)."""
    import torch
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # as above
        raise ModelError(f"{folder.name} has no tokenizer: {first_line(error)}", "Give the whole folder.") from error
    length = net.config.task_seq_len
    tokens = tokenizer("the task is semantic", padding="max_length", max_length=length, truncation=True)
    return torch.tensor([[i * m for i, m in zip(tokens["input_ids"], tokens["attention_mask"], strict=True)]])


def _quiet() -> None:
    """No progress bars and no reports of transformers: what matters is said by errors of our own."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
