"""The protocol's part of the OpenAPI document."""

from maskery.core.settings import Settings
from maskery.serving.http.schema import (
    BOOLEAN,
    INTEGER,
    TEXT,
    Json,
    answer,
    array,
    described,
    errors,
    header,
    raw,
    record,
)
from maskery.serving.protocols.open_inference.infer_request import PARAMETERS
from maskery.serving.protocols.open_inference.message import HEADER
from maskery.serving.protocols.open_inference.routes import CHANGE, MODEL, VERSION

ERROR = record({"error": TEXT})
PARAMETER = {"anyOf": [TEXT, {"type": "number"}, BOOLEAN]}
TENSOR = record({"name": TEXT, "datatype": TEXT, "shape": array(INTEGER)})
FREE = {"type": "object", "additionalProperties": PARAMETER}


def paths(settings: Settings) -> Json:
    """Path items of ``routes``."""
    ready = record({"name": TEXT, "ready": BOOLEAN})
    state = record({"name": TEXT, "version": TEXT, "state": TEXT, "reason": TEXT})
    metadata = record(
        {
            "name": TEXT,
            "versions": array(TEXT),
            "platform": TEXT,
            "inputs": array(TENSOR),
            "outputs": array(TENSOR),
            "parameters": FREE,
        }
    )
    server = record({"name": TEXT, "version": TEXT, "extensions": array(TEXT)})
    change = record({"parameters": FREE}, required=[])
    found: Json = {
        "/v2": {"get": _operation("Server metadata.", server)},
        "/v2/health/live": {"get": _operation("The process answers.", record({"live": BOOLEAN}))},
        "/v2/health/ready": {"get": _operation("Every loaded model is right.", record({"ready": BOOLEAN}), 503)},
        "/v2/models": {"get": _operation("Names of the models.", record({"models": array(TEXT)}))},
        "/v2/repository/index": {
            "post": _operation("Models and their states.", array(state), 400)
            | _body(record({"ready": BOOLEAN}, required=[]))
        },
        CHANGE + "/load": {"post": _operation("Load a model.", None, 400, 404, 409) | _body(change)},
        CHANGE + "/unload": {"post": _operation("Unload a model.", None, 400, 404, 503) | _body(change)},
    }
    for prefix in (MODEL, VERSION):
        found[prefix] = {"get": _operation("A model's inputs and outputs.", metadata, 404)}
        found[prefix + "/ready"] = {"get": _operation("Whether the model is loaded and right.", ready, 404, 503)}
        found[prefix + "/infer"] = {"post": _infer(settings)}
    for path, item in found.items():
        names = [name for name in ("name", "version") if f"{{{name}}}" in path]
        item["parameters"] = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    return found


def _operation(summary: str, schema: Json | None, *failures: int) -> Json:
    ok = {"description": "OK"} if schema is None else answer("OK", schema)
    texts = dict.fromkeys(failures, "What is wrong, and the cure.")
    return {"tags": ["open-inference"], "summary": summary, "responses": {"200": ok} | errors(ERROR, texts)}


def _body(schema: Json) -> Json:
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}


def _infer(settings: Settings) -> Json:
    tensor = record(
        {**TENSOR["properties"], "parameters": FREE, "data": array({})}, required=["name", "datatype", "shape"]
    )
    wanted = record({"name": TEXT, "parameters": FREE}, required=["name"])
    parameters = record(
        {
            "max_side": described(INTEGER | {"minimum": 1}, "Longest side, in pixels, of what the model sees."),
            "classes": described(TEXT, "Keep only these classes, separated by commas."),
            "binary_data_output": described(BOOLEAN, "Outputs as binary data, unless one says otherwise."),
        },
        required=[],
    )
    assert set(parameters["properties"]) == set(PARAMETERS)
    ask = record(
        {"id": TEXT, "parameters": parameters, "inputs": array(tensor), "outputs": array(wanted)}, required=["inputs"]
    )
    found = record(
        {"model_name": TEXT, "model_version": TEXT, "id": TEXT, "outputs": array(tensor)}, ["model_name", "outputs"]
    )
    operation = _operation("Segment the pictures of one tensor.", found, 400, 404, 408, 413, 415, 503)
    operation["responses"]["200"]["content"]["application/octet-stream"] = {"schema": raw("application/octet-stream")}
    return operation | {
        "description": (
            "Input `image`: BYTES [N] of encoded pictures (in JSON as base64), or UINT8 [H, W, 3] or [N, H, W, 3]. "
            "Without `outputs` the first one of the model's metadata is answered."
        ),
        "parameters": [header(HEADER, "Length of the JSON where binary tensors follow; 0 = the body is a picture.")],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": ask},
                "application/octet-stream": {"schema": raw("application/octet-stream", settings.max_bytes)},
            },
        },
    }
