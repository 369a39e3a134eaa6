"""The table of what is sent. A new protocol is one line or a few in ``KINDS``."""

import base64
import json
import random
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from benchmarks.models import FIRST
from benchmarks.soak.material import File, Material
from maskery.core.result.types import SemanticResult
from maskery.encode.registry import ENCODERS

BOUNDARY = "----soak"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
JSON = "application/json"
LABELS = (
    '<View><Image name="image" value="$image"/>'
    '<BrushLabels name="tag" toName="image"><Label value="Person"/><Label value="Cat"/></BrushLabels>'
    '<PolygonLabels name="outline" toName="image"><Label value="Cat"/></PolygonLabels></View>'
)
_TIMES = re.compile(rb'"timings_ms":\{[^}]*\}')

OK = frozenset({200})
NO_PICTURE = frozenset({400, 413, 415, 422})
NOT_FOUND = frozenset({400, 404})


@dataclass(frozen=True)
class Shot:
    """One request. ``about``: what was sent, so that equal ones must be answered equally."""

    about: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


Maker = Callable[[File], Shot]


@dataclass(frozen=True)
class Kind:
    """A kind of request. ``route``: the path in the OpenAPI document that must be served for it.

    ``weight``: how often, beside the others. ``statuses``: of the answers that are right; 503 with Retry-After always
    is. ``files``: which files it sends, ``"good"``, ``"broken"`` or ``"small"`` (good ones up to a megapixel, for
    answers that grow with the picture). ``steady``: the part of an answer that must stay the same, byte for byte;
    where it is None or gives None, nothing is compared. ``model``: one that must be there for it.
    """

    name: str
    route: str
    weight: float
    make: Maker
    statuses: Collection[int] = OK
    files: str = "good"
    steady: Callable[[bytes], bytes | None] | None = bytes
    model: str = ""

    def shot(self, material: Material, draw: random.Random) -> Shot:
        return self.make(draw.choice(self.choices(material)))

    def choices(self, material: Material) -> tuple[File, ...]:
        """The files that it may send."""
        if self.files == "broken":
            return material.broken
        return tuple(f for f in material.good if self.files == "good" or f.pixels <= 1_000_000) or material.good[:1]


def form(field: str, file: File) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="picture"\r\n'
    return (
        head.encode()
        + f"Content-Type: {file.media_type}\r\n\r\n".encode()
        + file.data
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def without_times(answer: bytes) -> bytes:
    """A JSON answer of ours without how long things took."""
    return _TIMES.sub(b"", answer)


def unless_busy(answer: bytes) -> bytes | None:
    """The answer about several pictures, unless one of them found no room."""
    return None if b'"status":503' in answer else answer


def _raw(path: str) -> Maker:
    return lambda file: Shot(file.name, path, file.data, {"Content-Type": file.media_type})


def _form(path: str, field: str = "image") -> Maker:
    return lambda file: Shot(file.name, path, form(field, file), {"Content-Type": FORM})


def _json(path: str, document: Callable[[str], object]) -> Maker:
    """``document`` gets the file as base64."""

    def make(file: File) -> Shot:
        body = json.dumps(document(base64.b64encode(file.data).decode())).encode()
        return Shot(file.name, path, body, {"Content-Type": JSON})

    return make


def _get(path: str) -> Maker:
    return lambda _: Shot("", path, method="GET")


def _infer_binary(path: str) -> Maker:
    """The file as a BYTES tensor behind the JSON header, as tritonclient sends it: without a Content-Type."""

    def make(file: File) -> Shot:
        element = len(file.data).to_bytes(4, "little") + file.data
        tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(element)}}
        header = json.dumps({"id": "7", "inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        return Shot(file.name, path, header + element, {"Inference-Header-Content-Length": str(len(header))})

    return make


def _tasks(encoded: str) -> object:
    task = {"id": 1, "data": {"image": f"data:image/jpeg;base64,{encoded}"}}
    return {"tasks": [task], "project": "1.1700000000", "label_config": LABELS, "params": {"context": None}}


def _several(path: str, count: int = 3) -> Maker:
    def make(file: File) -> Shot:
        end = f"--{BOUNDARY}--\r\n".encode()
        body = form("image", file).removesuffix(end) * count + end
        return Shot(file.name, path, body, {"Content-Type": FORM})

    return make


def _post(path: str) -> Maker:
    return lambda _: Shot("", path)


SEGMENT, MODELS = "/v1/segment", "/v1/models"
MAX, OIP, HF, LABEL_STUDIO, REMBG = (
    "/model/predict",
    "/v2/models/{name}/infer",
    "/hf/{name}",
    "/label-studio/predict",
    "/api/remove",
)
INFER = "/v2/models/everyday/infer"
OTHER, LOAD, UNLOAD = FIRST, "/v1/models/{name}/load", "/v1/models/{name}/unload"

KINDS: tuple[Kind, ...] = (
    Kind("mask", SEGMENT, 6, _raw(f"{SEGMENT}?format=mask")),
    Kind("mask, form", SEGMENT, 3, _form(f"{SEGMENT}?format=mask")),
    Kind("json", SEGMENT, 3, _raw(f"{SEGMENT}?format=json"), steady=without_times),
    Kind("summary", SEGMENT, 3, _form(f"{SEGMENT}?format=summary"), steady=without_times),
    Kind("overlay", SEGMENT, 1, _raw(f"{SEGMENT}?format=overlay")),
    Kind("cut-out", SEGMENT, 1, _raw(f"{SEGMENT}?format=cutout")),
    Kind("broken file", SEGMENT, 2, _raw(f"{SEGMENT}?format=mask"), NO_PICTURE, "broken", None),
    Kind("broken form", SEGMENT, 1, _form(f"{SEGMENT}?format=json", "picture"), NO_PICTURE, "small", None),
    Kind("wrong model", SEGMENT, 1, _raw(f"{SEGMENT}?model=nothing"), NOT_FOUND, "small", None),
    Kind("model by path", SEGMENT, 0.5, _raw(f"{SEGMENT}?model=..%2F..%2Fetc"), NOT_FOUND, "small", None),
    Kind("wrong format", SEGMENT, 0.5, _raw(f"{SEGMENT}?format=gif"), frozenset({400}), "small", None),
    Kind("several", SEGMENT, 0.5, _several(f"{SEGMENT}?format=mask"), files="small", steady=unless_busy),
    Kind("base64", SEGMENT, 1, _json(f"{SEGMENT}?format=mask", lambda encoded: {"image": {"base64": encoded}})),
    Kind("models", MODELS, 1, _get(MODELS), steady=None),
    Kind("status", "/v1/status", 0.5, _get("/v1/status"), steady=None),
    Kind("metrics", "/metrics", 0.5, _get("/metrics"), steady=None),
    Kind("another model", SEGMENT, 2, _raw(f"{SEGMENT}?model={OTHER}&format=mask"), model=OTHER),
    Kind("load", LOAD, 0.3, _post(f"/v1/models/{OTHER}/load"), steady=None, model=OTHER),
    Kind("unload", UNLOAD, 0.3, _post(f"/v1/models/{OTHER}/unload"), steady=None, model=OTHER),
    Kind("MAX", MAX, 3, _form(MAX)),
    Kind("MAX, broken", MAX, 1, _form(MAX), NO_PICTURE, "broken", None),
    Kind("v2 infer, binary", OIP, 3, _infer_binary(INFER)),
    Kind("v2 infer, broken", OIP, 1, _infer_binary(INFER), NO_PICTURE, "broken", None),
    Kind("v2 infer, wrong model", OIP, 0.5, _infer_binary("/v2/models/nothing/infer"), NOT_FOUND, "small", None),
    Kind("Hugging Face", HF, 2, _raw("/hf/everyday")),
    Kind("Hugging Face, base64", HF, 1, _json("/hf/everyday", lambda encoded: {"inputs": encoded}), files="small"),
    Kind("Hugging Face, broken", HF, 1, _raw("/hf/everyday"), NO_PICTURE, "broken", None),
    Kind("Label Studio", LABEL_STUDIO, 1, _json(LABEL_STUDIO, _tasks), files="small"),
    Kind("rembg", REMBG, 1, _form(REMBG, "file")),
    Kind("rembg, broken", REMBG, 0.5, _form(REMBG, "file"), NO_PICTURE, "broken", None),
    *(
        Kind(f"format {name}", SEGMENT, 0.1, _raw(f"{SEGMENT}?format={name}"), files="small", steady=without_times)
        for name, encoder in ENCODERS.items()
        if encoder.fits(SemanticResult)
    ),
)


def served(paths: Collection[str], models: Collection[str]) -> tuple[list[Kind], list[Kind]]:
    """Kinds whose route is among the OpenAPI document's ``paths`` and whose model is there; and those that are not."""
    known = {_shape(path) for path in paths}
    here = [kind for kind in KINDS if _shape(kind.route) in known and (not kind.model or kind.model in models)]
    return here, [kind for kind in KINDS if kind not in here]


def _shape(path: str) -> str:
    """The path with all parameters called the same."""
    return re.sub(r"\{[^}]*\}", "{}", path)
