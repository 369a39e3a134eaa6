"""A request's body -> ``Message``: the JSON object and, after it, the binary tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from maskery.core.errors import BadRequest, nearest
from maskery.serving.http.json_body import parsed

HEADER = "Inference-Header-Content-Length"
Value = str | int | float | bool | None
OF_CLIENTS = ("content_type", "headers", "priority", "timeout", "sequence_id", "sequence_start", "sequence_end")
"""Parameters that the clients of MLServer, KServe and Triton add by themselves; they say nothing to this server."""


class InputTensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of ``inputs``.

    Attributes:
        name: Of the input: image.
        shape: [N] for encoded pictures; [H, W, 3] or [N, H, W, 3] for RGB.
        datatype: BYTES for encoded pictures, UINT8 for RGB.
        parameters: ``binary_data_size``: bytes of the elements, which then follow the JSON.
        data: Its elements as JSON; absent where they follow the JSON.
    """

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = {}
    data: Annotated[Raw, Meta(extra_json_schema={"type": "array"})] | UnsetType = UNSET


class OutputRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of ``outputs``."""

    name: str
    parameters: dict[str, Any] | None = {}


class InferParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``parameters`` of a request that mean something here."""

    max_side: Annotated[int, Meta(ge=1, description="Longest side, in pixels, of what the model sees.")] = 0
    classes: Annotated[str, Meta(description="Keep only these classes, separated by commas.")] = ""
    binary_data_output: Annotated[bool, Meta(description="Outputs as binary data, unless one says otherwise.")] = False


PARAMETERS = InferParameters.__struct_fields__
_PARAMETERS = msgspec.json.schema_components([InferParameters])[1]["InferParameters"]


class InferBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON object of a request.

    Attributes:
        inputs: One tensor, with the pictures.
        outputs: What to answer; the model's first output without.
        id: Comes back with the answer.
        parameters: Of the whole request.
        model_name: The model is the path's; another name here is refused.
        model_version: The same for its version.
    """

    inputs: list[InputTensor]
    outputs: list[OutputRequest] | None = None
    id: str | None = None
    parameters: Annotated[dict[str, Any] | None, Meta(extra_json_schema=_PARAMETERS)] = {}
    model_name: str | None = None
    model_version: str | None = None


@dataclass(frozen=True)
class Message:
    """``binary``: what follows the JSON. ``raw``: the body is one encoded picture without any JSON."""

    body: InferBody
    binary: memoryview
    raw: bool = False


def split(body: bytes, header: str | None) -> Message:
    """``body`` by the value of its ``HEADER``, None where it has none. Raises ``BadRequest``."""
    view = memoryview(body)
    length = len(body) if header is None else _length(header, len(body))
    if header is not None and length == 0:
        size = len(body)
        picture = InputTensor(name="image", shape=[1], datatype="BYTES", parameters={"binary_data_size": size})
        return Message(InferBody(inputs=[picture], parameters={"binary_data_output": True}), view, raw=True)
    parsed_body = parsed(body[:length], InferBody, "an inference request")
    return Message(parsed_body, view[length:])


def _length(text: str, size: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > size:
        raise BadRequest(
            f"{HEADER} is {text[:40]!r}, the body has {size:,} bytes.", "Give the length of the JSON part in bytes."
        )
    return int(text)


def only(parameters: Mapping[str, Any] | None, known: tuple[str, ...], where: str) -> Mapping[str, Value]:
    """Those of ``known`` that have a value. Raises ``BadRequest`` for one that neither is known nor ``OF_CLIENTS``."""
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    for name in given:
        if name not in (*known, *OF_CLIENTS):
            raise BadRequest(f"Unknown parameter {name!r} of {where}.", nearest(name, known))
    return {name: value for name, value in given.items() if name in known}


def flag(parameters: Mapping[str, Value], name: str, default: bool) -> bool:
    """A parameter that is true or false. Raises ``BadRequest``."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(f"Parameter {name!r} is {value!r}.", "Give true or false.")
    return value
