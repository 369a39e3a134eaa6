"""What a model file says of itself: its tensors and metadata, without running it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskery.core.errors import MissingExtra, ModelError, first_line


@dataclass(frozen=True)
class TensorInfo:
    """``shape``: None where any size goes. ``dtype``: numpy's name ("float32")."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class NetworkInfo:
    """``metadata``: the free text pairs that an ONNX file can carry."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: dict[str, str]


def inspect_file(path: Path) -> NetworkInfo:
    """Open an .onnx or .tflite file. Raises ``ModelError`` for what is none, ``MissingExtra`` without LiteRT."""
    if not path.is_file():
        raise ModelError(f"{path} is no file.", "Check the path.")
    if path.suffix == ".onnx":
        return _peek_onnx(path)
    if path.suffix == ".tflite":
        return _peek_tflite(path)
    raise ModelError(f"{path.name} is no model file that Maskery runs.", "Convert it to .onnx or .tflite.")


def _peek_onnx(path: Path) -> NetworkInfo:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    # From bytes and with no folder to look in: a model whose weights lie in a second file must fail here.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", "no-such-folder")
    try:
        session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class
        if "external data" in str(error).lower():
            cure = f"Save it as one file: onnx.save(onnx.load({path.name!r}), 'whole.onnx')"
            raise ModelError(f"{path.name} keeps its weights in another file.", cure) from error
        raise ModelError(f"ONNX Runtime cannot load {path.name}: {first_line(error)}", "Check the file.") from error
    return NetworkInfo(
        tuple(_onnx_tensor(t) for t in session.get_inputs()),
        tuple(_onnx_tensor(t) for t in session.get_outputs()),
        dict(session.get_modelmeta().custom_metadata_map),
    )


def _onnx_tensor(node: Any) -> TensorInfo:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(d if isinstance(d, int) and d > 0 else None for d in node.shape)
    return TensorInfo(node.name, shape, {"float": "float32", "double": "float64"}.get(kind, kind))


def _peek_tflite(path: Path) -> NetworkInfo:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtra(f"{path.name} needs LiteRT.", "Run: pip install 'maskery[tflite]'") from error
    try:
        interpreter = Interpreter(model_path=str(path))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"LiteRT cannot load {path.name}: {error}", "Check the file.") from error
    return NetworkInfo(
        tuple(_tflite_tensor(t) for t in interpreter.get_input_details()),
        tuple(_tflite_tensor(t) for t in interpreter.get_output_details()),
        {},
    )


def _tflite_tensor(detail: dict[str, Any]) -> TensorInfo:
    declared = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    return TensorInfo(detail["name"], tuple(int(d) if d > 0 else None for d in declared), detail["dtype"].__name__)
