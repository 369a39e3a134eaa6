"""The OpenAPI 3.1 document. What is limited or listed comes from the settings and tables that the code itself uses."""

import msgspec

from maskery.core.card import Detector, Input, Licence, Quality
from maskery.core.settings import Settings
from maskery.core.version import __version__
from maskery.encode.options import HELP
from maskery.encode.registry import ENCODERS
from maskery.serving.http.problems import MEDIA_TYPE, STATUS, Problem
from maskery.serving.http.schema import INTEGER, NUMBER, TEXT, Json, array, query, record
from maskery.serving.protocols.native.model_list import AnswerOutput
from maskery.serving.protocols.native.native_request import DEFAULT_FORMAT, PictureSource, SegmentBody
from maskery.serving.telemetry.status import Status

SECURITY: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "Any user name; the key is the password."},
}


def document(settings: Settings, extra_paths: Json | None = None) -> Json:
    """The whole document, as plain data. ``extra_paths``: those of the compatible APIs."""
    (_, schemas) = msgspec.json.schema_components(
        [Problem, Licence, Input, AnswerOutput, Detector, Quality, SegmentBody, PictureSource, Status],
        ref_template="#/components/schemas/{name}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Maskery",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Image segmentation as a service. A picture in, a mask in the picture's own pixels out.",
        },
        "tags": [{"name": "segment"}, {"name": "models"}, {"name": "health"}],
        "paths": {
            "/v1/segment": {"post": _segment(settings), "get": _segment_url(settings)},
            "/v1/models": {"get": _get("models", "The models that can answer, the default first.", _ref("Models"))},
            "/v1/models/{name}": {"get": _model()},
            "/v1/models/{name}/load": {"post": _change("Load a model.")},
            "/v1/models/{name}/unload": {"post": _change("Unload a model once no request holds it.")},
            "/livez": {"get": _get("health", "The process answers.", record({"live": {"type": "boolean"}}))},
            "/readyz": {"get": _readyz()},
            "/metrics": {"get": _metrics()},
            "/v1/status": {"get": _get("models", "Models, devices, queues, memory and limits now.", _ref("Status"))},
        }
        | (extra_paths or {}),
        "components": {"schemas": schemas | _schemas(), "securitySchemes": SECURITY},
        # Without keys an empty list: nothing is asked for.
        "security": [{name: []} for name in SECURITY] if settings.api_keys or settings.api_keys_file else [],
    }


def _segment(settings: Settings) -> Json:
    picture = {"type": "string", "contentMediaType": "image/*", "maxLength": settings.max_bytes}
    media = {
        "image/jpeg": {"schema": picture},
        "image/png": {"schema": picture},
        "application/octet-stream": {"schema": picture},
        "multipart/form-data": {"schema": record({"image": picture}, required=["image"])},
        "application/json": {"schema": _ref("SegmentBody")},
    }
    return {
        "tags": ["segment"],
        "operationId": "segment",
        "summary": "Segment one picture, or several.",
        "description": (
            f"JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, at most {settings.max_bytes:,} bytes and "
            f"{settings.max_pixels:,} pixels; as the body, whatever its Content-Type, as form field `image`, or in "
            f"JSON as base64 or by URL. Several (at most {settings.max_pictures}; fields `image`, `images` in JSON) "
            "are answered by a JSON list `results`, each with a status and its result or problem."
        ),
        "parameters": _segment_parameters(settings),
        "requestBody": {"required": True, "content": media},
        "responses": {"200": _answers()} | _problems(),
    }


def _segment_url(settings: Settings) -> Json:
    url = query("url", TEXT, "Address of the picture, http or https; docs/security.md has the rules.")
    return {
        "tags": ["segment"],
        "operationId": "segment_url",
        "summary": "Segment a picture by its address.",
        "parameters": [url | {"required": True}, *_segment_parameters(settings)],
        "responses": {"200": _answers(), "304": {"description": "If-None-Match names this very answer."}} | _problems(),
    }


def _answers() -> Json:
    by_type: Json = {}
    for encoder in ENCODERS.values():
        schema = (
            _ref("Segmentation")
            if encoder.name == "json"
            else {"type": "string", "contentMediaType": encoder.media_type}
        )
        by_type.setdefault(encoder.media_type, {"schema": schema})
    return {"description": "The answer in the format asked for.", "content": by_type}


def _segment_parameters(settings: Settings) -> list[Json]:
    return [
        query("model", TEXT | {"default": settings.model[0]}, "A name of GET /v1/models; the default model without."),
        query(
            "format",
            {"type": "string", "enum": list(ENCODERS), "default": DEFAULT_FORMAT},
            "What to answer. Without it the Accept header decides (image/png = mask, image/png;format=overlay), "
            "else json. mask: indexed PNG, pixel value = class id.",
        ),
        query("classes", TEXT, "Keep only these classes, separated by commas: person,dog"),
        query(
            "max_side",
            INTEGER | {"minimum": 1},
            "Longest side, in pixels, of what the model sees, within the card's bounds.",
        ),
        query(
            "tile",
            INTEGER | {"minimum": 0},
            "Side, in pixels of the picture, of the overlapping tiles that it is cut into, each worked on by itself; "
            "0 = none. Without it pictures of more than 100 megapixels are cut.",
        ),
        *(query(name, TEXT, f"{text} For {_takers(name)}.") for name, text in HELP.items() if _takers(name)),
    ]


def _takers(option: str) -> str:
    return ", ".join(encoder.name for encoder in ENCODERS.values() if option in encoder.options)


def _get(tag: str, summary: str, schema: Json) -> Json:
    ok = {"description": "OK", "content": {"application/json": {"schema": schema}}}
    operation: Json = {"tags": [tag], "summary": summary, "responses": {"200": ok}}
    return operation | {"security": []} if tag == "health" else operation


def _model() -> Json:
    operation = _get("models", "The card of one model.", _ref("Model"))
    operation["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": TEXT}]
    operation["responses"]["404"] = _problem_response("No model of that name.")
    return operation


def _change(summary: str) -> Json:
    change = {"what": TEXT, "reason": TEXT, "seconds": NUMBER, "rss_before": INTEGER, "rss_after": INTEGER}
    answer = {"name": TEXT, "version": TEXT, "state": TEXT, "reason": TEXT, "batch": {"type": "object"}}
    schema = record(answer | {"last_change": record(change)}, required=list(answer))
    operation = _get("models", summary, schema)
    operation["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": TEXT}]
    operation["responses"] |= _problems()
    return operation


def _readyz() -> Json:
    states = {"type": "object", "additionalProperties": TEXT}
    devices = {"type": "object", "additionalProperties": _ref("Device")}
    schema = record({"ready": {"type": "boolean"}, "models": states, "devices": devices})
    operation = _get("health", "Every loaded model gave its stored answer to the stored picture.", schema)
    operation["responses"]["503"] = operation["responses"]["200"] | {"description": "Some model did not."}
    return operation


def _metrics() -> Json:
    content = {name: {"schema": TEXT} for name in ("text/plain", "application/openmetrics-text")}
    ok = {"description": "Prometheus' text format, or OpenMetrics where Accept names it.", "content": content}
    return {"tags": ["health"], "summary": "Metrics for Prometheus.", "responses": {"200": ok}}


def _problems() -> Json:
    names: dict[int, list[str]] = {}
    for kind, status in STATUS:
        names.setdefault(status, []).append(kind.code)
    return {str(status): _problem_response("code: " + ", ".join(codes)) for status, codes in sorted(names.items())}


def _problem_response(text: str) -> Json:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> Json:
    size = record({"width": INTEGER, "height": INTEGER})
    image = record({"media_type": TEXT, "base64": TEXT})
    frame = {
        "original": size,
        "orientation": INTEGER,
        "working": size,
        "scale": record({"x": NUMBER, "y": NUMBER}),
        "padding": record(dict.fromkeys(("left", "top", "right", "bottom"), INTEGER)),
    }
    found = {"id": INTEGER, "name": TEXT, "color": TEXT, "pixels": INTEGER, "share": NUMBER, "box": array(INTEGER)}
    found["components"] = INTEGER
    plan = {
        "decode": TEXT,
        "working": size,
        "tiles": {"anyOf": [record(dict.fromkeys(("side", "overlap", "count"), INTEGER)), {"type": "null"}]},
        "estimated_mb": INTEGER,
        "budget_mb": {"type": ["integer", "null"]},
        "changed": TEXT,
        "faces": array(record({"box": array(NUMBER), "score": NUMBER, "crop": array(NUMBER)})),
    }
    segmentation = {
        "software": TEXT,
        "model": record({"name": TEXT, "version": TEXT, "sha256": TEXT}),
        "task": TEXT,
        "frame": _ref("Frame"),
        "plan": record(plan, required=[name for name in plan if name != "faces"]),
        "note": TEXT,
        "decided_by": TEXT,
        "measured_on": size,
        "classes": array(_ref("ClassShare")),
        "mask": image,
        "alpha": image,
        "top": array(record({"name": TEXT, "score": NUMBER})),
        "timings_ms": {"type": "object", "additionalProperties": NUMBER},
    }
    model = {
        "name": TEXT,
        "version": TEXT,
        "task": TEXT,
        "description": TEXT,
        "labels": array(TEXT),
        "palette": array(TEXT),
        "sha256": TEXT,
        "bytes": INTEGER,
        "url": TEXT,
        "licence": _ref("Licence"),
        "input": _ref("Input"),
        "output": _ref("AnswerOutput"),
        "finder": _ref("Detector"),
        "quality": _ref("Quality"),
        "training": {"type": "object"},
    }
    return {
        "Frame": record(frame),
        "ClassShare": record(found, required=[name for name in found if name != "components"]),
        "Segmentation": record(segmentation, required=["software", "model", "task", "frame", "timings_ms"]),
        "Model": record(model, required=[name for name in model if name not in ("quality", "finder")]),
        "Models": record({"default": TEXT, "models": array(_ref("Model"))}),
    }
