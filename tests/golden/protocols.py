"""Golden answers of a real server: the native API, and the five protocols beside it."""

import base64
import gzip
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np

from tests.golden import pictures
from tests.golden.case import Case, Json, array_case, case_of, digest, settled
from tests.golden.models import FORMATS
from tests.golden.workplace import Answer, Server, Workplace

TYPES = {"UINT8": "u1", "UINT16": "<u2", "FP32": "<f4"}
LENGTH = "Inference-Header-Content-Length"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
HEADERS = (
    "allow", "cache-control", "content-disposition", "content-type", "etag", "location",
    "maskery-plan", "retry-after", "server-timing", "vary", "www-authenticate", "x-content-type-options",
    "x-maskery-model", "inference-header-content-length",
)  # fmt: skip
BRUSH = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
<Label value="person"/><Label value="Cat"/><Label value="unicorn"/></BrushLabels></View>"""
SHAPES = """<View><Image name="image" value="$image"/>
<PolygonLabels name="p" toName="image"><Label value="cat"/></PolygonLabels>
<RectangleLabels name="r" toName="image" model_min_area="0"><Label value="Pets" predicted_values="cat,dog"/>
</RectangleLabels></View>"""
# Options of formats; the answers without options are asked for format by format.
VARIANTS = (
    "format=polygons&tolerance=1.5", "format=polygons&tolerance=2&gap_free=true&min_area=20",
    "format=geojson&tolerance=1&min_area=9", "format=svg&tolerance=1.5&gap_free=true", "format=coco&shape=polygon",
    "format=coco&shape=box&min_area=5&file_name=a%2Fcat.jpg", "format=coco-rle&min_area=30",
    "format=yolo&tolerance=1&min_area=10", "format=labelme&tolerance=1&file_name=cat.png",
    "format=cvat&shape=polygon&tolerance=1", "format=cvat&shape=box", "format=label-studio&shape=polygon&tolerance=1",
    "format=label-studio&shape=box&from_name=a&to_name=b", "format=blur&strength=6",
    "format=pixelate&strength=5&outside=true", "format=replace&color=ff8000", "format=replace-jpeg&outside=true",
    "format=entropy&depth=16", "format=npz&maps=confidence,margin", "format=mask&classes=cat",
    "format=cutout&classes=background", "format=polygons&classes=background,cat", "format=summary&max_side=128",
    "format=mask&tile=64", "format=summary&tile=0", "format=mask&model=streets", "format=summary&model=cifar10",
    "format=json&model=faces", "format=npy&model=face-finder", "format=mask&model=everyday@1.0.0",
)  # fmt: skip
MISTAKES = (
    "format=maks", "formt=mask", "format=mask&depth=16", "format=entropy&depth=9", "model=everydya", "model=selfie-256",
    "model=everyday@9", "classes=cta", "max_side=9", "max_side=x", "tile=-1", "format=mask&format=json",
    "format=confidence&model=cifar10", "format=cutout&model=streets", "url=https://example.org/x.jpg",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What is asked of a server."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def of_native(place: Workplace) -> dict[str, Case]:
    """Pictures in every way, problems, models, health."""
    cat, person, turned = pictures.cat(), pictures.person(), pictures.turned()
    asked = {f"format {name}": _segment(f"format={name}", turned) for name in FORMATS}
    asked |= {f"variant {query}": _segment(query, cat) for query in VARIANTS}
    asked |= {f"mistake {query}": _segment(query, cat) for query in MISTAKES}
    asked |= {f"file {kind}": _segment("format=mask", data) for kind, data in pictures.kinds().items()}
    broken = {"broken": pictures.broken(), "text": b"no picture", "empty": b"", "json": b'{"image": '}
    asked |= {f"refused {name}": _segment("", data) for name, data in broken.items()}
    for accept in ("image/png", "image/png;format=cutout", "image/jpeg", "application/x-npy", "text/html", "*/*"):
        asked[f"accept {accept}"] = Request("POST", "/v1/segment", cat, {"Accept": accept})
    image = {"base64": _base64(cat)}
    messages: dict[str, Json] = {
        "json": {"image": image, "format": "geojson", "options": {"tolerance": 1.5}, "classes": ["cat"]},
        "json several": {
            "images": [image | {"id": "a"}, {"base64": "!"}, {"base64": _base64(person)}],
            "format": "mask",
        },
        "json summaries": {"images": [image, image | {"id": 2}], "format": "summary"},
        "json key": {"picture": image},
        "json option": {"image": image, "options": {"depth": 8}},
        "json address": {"image": {"url": "http://127.0.0.1/x.jpg"}},
        "json many": {"images": [image] * 17},
    }
    asked |= {name: _json("/v1/segment", message) for name, message in messages.items()}
    asked["form"] = _form("/v1/segment?format=mask", ("image", cat))
    asked["form several"] = _form("/v1/segment?format=summary", ("image", cat), ("image", b"text"), ("image", person))
    asked["form field"] = _form("/v1/segment", ("picture", cat))
    for path in ("/v1/models", "/livez", "/readyz", "/v1/segment", "/v1/nothing", "/v1/models/nothing", "/nothing"):
        asked[f"GET {path}"] = Request("GET", path)
    for name in ("everyday", "faces", "cifar10", "face-finder", "selfie-256"):
        asked[f"GET /v1/models/{name}"] = Request("GET", f"/v1/models/{name}")
    for url in ("http://127.0.0.1/x.jpg", "ftp://example.org/x.jpg", "file:///etc/passwd"):
        asked[f"url {url}"] = Request("GET", f"/v1/segment?url={quote(url)}")
    asked["PUT"] = Request("PUT", "/v1/segment", cat)
    return _answers(place.server, asked)


def of_foregrounds(place: Workplace) -> dict[str, Case]:
    """Every protocol, asked of a model that finds a foreground and of a pulled classifier."""
    person, classifier = pictures.person(), "mobilenetv3-small-imagenet-224"
    asked = {f"format {name}": _segment(f"format={name}", person) for name in FORMATS}
    asked["classifier"] = _segment(f"format=summary&model={classifier}", person)
    asked["hf"] = Request("POST", "/hf/selfie-256", person)
    asked["hf classifier"] = Request("POST", f"/hf/{classifier}", person)
    parameters = {"mask_threshold": 0.9, "threshold": 0.2}
    asked["hf thresholds"] = _json("/hf/selfie-256", {"inputs": _base64(person), "parameters": parameters})
    asked["rembg"] = _form("/api/remove", ("file", person))
    asked["rembg mask"] = _form("/api/remove", ("file", person), ("om", "true"), ("ppm", "true"))
    asked["rembg colour"] = _form("/api/remove?bgc=10,200,30,100", ("file", person))
    asked["rembg classifier"] = _form("/api/remove", ("file", person), ("model", classifier))
    for output in ("class_map", "alpha", "mask_png", "summary", "confidence"):
        asked[f"oip {output}"] = _infer("selfie-256", person, outputs=[{"name": output}])
    asked["oip scores"] = _infer(classifier, person)
    asked["oip metadata"] = Request("GET", "/v2/models/selfie-256")
    asked["max"] = _form("/model/predict", ("image", person))
    asked["max labels"] = Request("GET", "/model/labels")
    asked["label-studio"] = _tasks("/label-studio/predict", BRUSH, _data_url(person))
    asked["models"] = Request("GET", "/v1/models")
    return _answers(place.portraits, asked)


def of_max(place: Workplace) -> dict[str, Case]:
    """MAX-Image-Segmenter."""
    cat, turned = pictures.cat(), pictures.turned()
    asked = {
        "predict": _form("/model/predict", ("image", cat)),
        "predict turned": _form("/model/predict", ("image", turned)),
        "fields": _with(_form("/model/predict", ("image", cat)), {"X-Fields": "image_size"}),
        "wrong fields": _with(_form("/model/predict", ("image", cat)), {"X-Fields": "{status"}),
        "broken": _form("/model/predict", ("image", pictures.broken())),
        "text": _form("/model/predict", ("image", b"no picture")),
        "wrong field": _form("/model/predict", ("picture", cat)),
        "no form": Request("POST", "/model/predict", cat),
        "labels": Request("GET", "/model/labels"),
        "metadata": Request("GET", "/model/metadata"),
        "metadata fields": Request("GET", "/model/metadata", headers={"X-Fields": "{id,name}"}),
        "swagger": Request("GET", "/swagger.json"),
        "GET predict": Request("GET", "/model/predict"),
        "OPTIONS predict": Request("OPTIONS", "/model/predict"),
    }
    stand_in = {f"stand-in {name}": asked[name] for name in ("predict", "labels", "metadata", "swagger", "no form")}
    return _answers(place.server, asked) | _answers(place.stand_in, stand_in)


def of_hugging_face(place: Workplace) -> dict[str, Case]:
    """Hugging Face's image segmentation."""
    cat = pictures.cat()
    asked = {
        "body": Request("POST", "/hf/everyday", cat),
        "turned": Request("POST", "/hf/everyday", pictures.turned()),
        "streets": Request("POST", "/hf/streets", cat),
        "classifier": Request("POST", "/hf/cifar10", cat),
        "semantic": _json("/hf/everyday", {"inputs": _base64(cat), "parameters": {"subtask": "semantic"}}),
        "instance": _json("/hf/everyday", {"inputs": _base64(cat), "parameters": {"subtask": "instance"}}),
        "parameter": _json("/hf/everyday", {"inputs": _base64(cat), "parameters": {"treshold": 0.5}}),
        "not base64": _json("/hf/everyday", {"inputs": "!"}),
        "no inputs": _json("/hf/everyday", {}),
        "broken": Request("POST", "/hf/everyday", pictures.broken()),
        "text": Request("POST", "/hf/everyday", b"no picture"),
        "empty": Request("POST", "/hf/everyday"),
        "unknown model": Request("POST", "/hf/everydya", cat),
        "not pulled": Request("POST", "/hf/selfie-256", cat),
        "GET": Request("GET", "/hf/everyday"),
    }
    return _answers(place.server, asked)


def of_label_studio(place: Workplace) -> dict[str, Case]:
    """Label Studio's backend."""
    cat, person, predict = _data_url(pictures.cat()), _data_url(pictures.person()), "/label-studio/predict"
    asked = {
        "health": Request("GET", "/label-studio/health"),
        "root": Request("GET", "/label-studio"),
        "metrics": Request("GET", "/label-studio/metrics"),
        "brush": _tasks(predict, BRUSH, cat, person),
        "shapes": _tasks(predict, SHAPES, cat),
        "other model": _tasks("/label-studio/models/streets/predict", BRUSH, cat),
        "unknown model": _tasks("/label-studio/models/everydya/predict", BRUSH, cat),
        "one fails": _tasks(
            predict, BRUSH, cat, "data:image/jpeg;base64,AAAA", "s3://bucket/x.jpg", "http://10.0.0.1/x"
        ),
        "no xml": _tasks(predict, "<View", cat),
        "doctype": _tasks(predict, "<!DOCTYPE x><View/>", cat),
        "no tasks": _json(predict, {"label_config": BRUSH}),
        "no json": Request("POST", predict, b"{"),
        "setup": _json("/label-studio/setup", {"project": "1", "schema": BRUSH, "hostname": "", "access_token": ""}),
        "setup of no tag": _json("/label-studio/setup", {"project": "1", "schema": "<View/>"}),
        "webhook": _json("/label-studio/webhook", {"action": "ANNOTATION_CREATED"}),
        "training": _json("/label-studio/webhook", {"action": "START_TRAINING"}),
        "nothing": Request("GET", "/label-studio/nothing"),
    }
    return _answers(place.server, asked)


def of_open_inference(place: Workplace) -> dict[str, Case]:
    """The Open Inference Protocol."""
    cat, pixels = pictures.cat(), pictures.pixels()
    named = {"name": "image", "datatype": "BYTES", "shape": [1]}
    infer, binary = "/v2/models/everyday/infer", {"binary_data_output": True}
    raw = {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.reshape(-1).tolist()}
    packed = json.dumps({"inputs": [named | {"data": [_base64(cat)]}]}).encode()
    paths = (
        "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/everyday", "/v2/models/streets",
        "/v2/models/everyday/ready", "/v2/models/everyday/versions/1.0.0", "/v2/models/everyday/versions/9",
        "/v2/models/cifar10", "/v2/models/everydya", "/v2/nothing",
    )  # fmt: skip
    asked = {f"GET {path}": Request("GET", path) for path in paths}
    outputs = [{"name": name} for name in ("class_map", "confidence", "mask_png", "entropy", "margin")]
    asked |= {
        "bytes": _infer("everyday", cat, id="7"),
        "outputs": _infer("everyday", cat, outputs=outputs, parameters=binary),
        "outputs json": _infer("everyday", cat, outputs=outputs[:3]),
        "summary": _infer("everyday", cat, outputs=[{"name": "summary"}], parameters={"max_side": 128}),
        "scores": _infer("cifar10", cat),
        "base64": _json(infer, {"inputs": [named | {"data": [_base64(cat)]}]}),
        "pixels": _json(infer, {"inputs": [raw], "parameters": binary}),
        "raw": Request("POST", infer, cat, {LENGTH: "0"}),
        "gzip": Request("POST", infer, gzip.compress(packed), {"Content-Encoding": "gzip"}),
        "version": Request("POST", "/v2/models/everyday/versions/1.0.0/infer", cat, {LENGTH: "0"}),
        "unknown version": Request("POST", "/v2/models/everyday/versions/9/infer", cat, {LENGTH: "0"}),
        "unknown model": _infer("everydya", cat),
        "not pulled": _infer("selfie-256", cat),
        "output": _infer("everyday", cat, outputs=[{"name": "class_mop"}]),
        "parameter": _infer("everyday", cat, parameters={"priority": 3}),
        "broken": _infer("everyday", pictures.broken()),
        "text": Request("POST", infer, b"no picture", {LENGTH: "0"}),
        "no json": Request("POST", infer, b"{"),
        "no inputs": _json(infer, {}),
        "tensor": _json(infer, {"inputs": [raw | {"name": "picture"}]}),
        "shape": _json(infer, {"inputs": [raw | {"shape": [3, 3, 3]}]}),
    }  # fmt: skip
    return _answers(place.server, asked)


def of_loading(place: Workplace) -> dict[str, Case]:
    """Models that come and go, on the server that no other group asks for its models."""
    asked = {
        "load": Request("POST", "/v1/models/streets/load"),
        "unload": Request("POST", "/v1/models/streets/unload"),
        "unload default": Request("POST", "/v1/models/everyday/unload"),
        "load unknown": Request("POST", "/v1/models/everydya/load"),
        "load not pulled": Request("POST", "/v1/models/selfie-256/load"),
        "repository load": _json("/v2/repository/models/streets/load", {}),
        "repository parameters": _json("/v2/repository/models/streets/load", {"parameters": {"config": "{}"}}),
        "repository index": _json("/v2/repository/index", {"ready": True}),
        "repository unload": _json("/v2/repository/models/streets/unload", {}),
    }
    return _answers(place.stand_in, asked)


def of_rembg(place: Workplace) -> dict[str, Case]:
    """rembg."""
    cat, remove = pictures.cat(), "/api/remove"
    only = quote('{"classes": "cat"}')
    asked = {
        "plain": _form(remove, ("file", cat)),
        "turned": _form(remove, ("file", pictures.turned())),
        "transparent": _form(remove, ("file", pictures.transparent())),
        "mask": _form(remove, ("file", cat), ("om", "true")),
        "smooth": _form(remove, ("file", cat), ("om", "1"), ("ppm", "1")),
        "colour": _form(f"{remove}?bgc=10,200,30", ("file", cat)),
        "half colour": _form(f"{remove}?bgc=10,200,30,100", ("file", cat)),
        "classes": _form(f"{remove}?extras={only}", ("file", cat)),
        "u2net": _form(remove, ("file", cat), ("model", "u2net")),
        "streets": _form(remove, ("file", cat), ("model", "streets")),
        "unknown model": _form(remove, ("file", cat), ("model", "silueta")),
        "not pulled": _form(remove, ("file", cat), ("model", "selfie-256")),
        "matting": _form(remove, ("file", cat), ("a", "true")),
        "faults": _form(f"{remove}?bgc=red&bgcc=1", ("om", "maybe"), ("af", "300"), ("omm", "1")),
        "broken": _form(remove, ("file", pictures.broken())),
        "text": _form(remove, ("file", b"no picture")),
        "no file": Request("POST", remove, cat),
        "no url": Request("GET", remove),
        "private url": Request("GET", f"{remove}?url={quote('http://127.0.0.1/x.png')}"),
        "PUT": Request("PUT", remove),
    }
    return _answers(place.server, asked)


def of_openapi(place: Workplace) -> dict[str, Case]:
    """The description of the API, which may change where the API does not."""
    answer = place.server.ask("GET", "/openapi.json")
    document = json.loads(answer.body)
    found = {"document": _case(answer)}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            found[f"{verb} {path}"] = case_of(json.dumps(operation).encode())
    return found


def _answers(server: Server, asked: Mapping[str, Request]) -> dict[str, Case]:
    return {name: _case(server.ask(r.method, r.path, r.body, r.headers)) for name, r in asked.items()}


def _case(answer: Answer) -> Case:
    like: Json = {"status": answer.status, "headers": _headers(answer.headers)}
    size = int(answer.headers.get(LENGTH.lower(), 0))
    found = case_of(answer.body[:size] if size else answer.body)
    if size:
        tensors = _tensors(answer.body, size)
        found["parts"] |= {name: case["sha256"][:8] for name, case in tensors.items()}
        found["sha256"] = digest("".join([found["sha256"], *(c["sha256"] for c in tensors.values())]).encode())
        found["near"] = {f"{n} {key}": v for n, case in tensors.items() for key, v in case.get("near", {}).items()}
    if answer.status >= 400 and len(answer.body) < 2000:
        like["says"] = settled(answer.body.decode())
    found["like"] = like | found["like"]
    return found


def _tensors(body: bytes, place: int) -> dict[str, Case]:
    """The binary outputs after an answer's JSON, which ends at ``place``, by name."""
    found = {}
    for output in json.loads(body[:place])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        data = body[place : place + size]
        if output["datatype"] == "BYTES":
            found[output["name"]] = case_of(data[4:])
        else:
            array = np.frombuffer(data, TYPES[output["datatype"]]).reshape(output["shape"])
            found[output["name"]] = array_case(array)
        place += size
    if place != len(body):
        raise AssertionError(f"{len(body) - place} bytes follow the last output")
    return found


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name: headers[name] for name in HEADERS if name in headers}
    if "allow" in found:
        found["allow"] = ", ".join(sorted(found["allow"].split(", ")))
    if "etag" in found:
        found["etag"] = re.sub(r"[0-9a-f]{8,}", "HEX", found["etag"])
    if "server-timing" in found:
        found["server-timing"] = re.sub(r"dur=[\d.]+", "dur=0", found["server-timing"])
    if "maskery-plan" in found:
        found["maskery-plan"] = re.sub(r"(estimated_mb|budget_mb)=\d+", r"\1=0", found["maskery-plan"])
    return {name: value for name, value in found.items() if name != LENGTH.lower()}


def _segment(query: str, data: bytes) -> Request:
    return Request("POST", f"/v1/segment?{query}", data)


def _json(path: str, message: Json) -> Request:
    return Request("POST", path, json.dumps(message).encode(), {"Content-Type": "application/json"})


def _form(path: str, *fields: tuple[str, bytes | str]) -> Request:
    body = b""
    for name, value in fields:
        file = '; filename="photo.jpg"\r\nContent-Type: image/jpeg' if isinstance(value, bytes) else ""
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return Request("POST", path, body + b"--x--\r\n", FORM)


def _with(request: Request, headers: Mapping[str, str]) -> Request:
    return Request(request.method, request.path, request.body, {**request.headers, **headers})


def _infer(
    model: str,
    picture: bytes,
    outputs: Sequence[Json] = (),
    parameters: Mapping[str, Any] | None = None,
    id: str = "",
) -> Request:
    """An encoded picture as binary BYTES after the JSON."""
    data = struct.pack("<I", len(picture)) + picture
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    more = {"outputs": list(outputs), "parameters": parameters, "id": id}
    text = json.dumps({"inputs": [tensor], **{key: value for key, value in more.items() if value}}).encode()
    return Request("POST", f"/v2/models/{model}/infer", text + data, {LENGTH: str(len(text))})


def _tasks(path: str, config: str, *pictures: str) -> Request:
    tasks = [{"id": number, "data": {"image": picture}} for number, picture in enumerate(pictures, 7)]
    return _json(path, {"tasks": tasks, "label_config": config, "project": "5.1763721000"})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _data_url(data: bytes) -> str:
    return f"data:image/jpeg;base64,{_base64(data)}"
