"""The protocol's part of the OpenAPI document."""

from maskery.core.settings import Settings
from maskery.serving.http.schema import INTEGER, TEXT, Json, answer, array, described, errors, record
from maskery.serving.protocols.label_studio.routes import EVENTS, OF_MODEL, ROOT

ERROR = record({"status": INTEGER, "detail": TEXT})
IGNORED = described(array(TEXT), "What of the labelling configuration is not used.")
ANY: Json = {"type": "object"}


def paths(_: Settings) -> Json:
    """Path items of ``routes``."""
    found: Json = {}
    for prefix in (ROOT, OF_MODEL):
        health = _operation("The backend answers.", record({"status": TEXT, "model_class": TEXT}))
        found |= {
            prefix: {"get": health},
            prefix + "/health": {"get": health},
            prefix + "/setup": {"post": _setup()},
            prefix + "/predict": {"post": _predict()},
            prefix + "/webhook": {"post": _webhook()},
            prefix + "/metrics": {"get": _operation("Nothing; metrics are at /metrics.", ANY)},
        }
    for path, item in found.items():
        if path.startswith(OF_MODEL):
            item["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": TEXT}]
    return found


def _operation(summary: str, schema: Json, *failures: int) -> Json:
    texts = dict.fromkeys(failures, "What is wrong, and the cure.")
    return {
        "tags": ["label-studio"],
        "summary": summary,
        "responses": {"200": answer("OK", schema)} | errors(ERROR, texts),
    }


def _body(schema: Json) -> Json:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _setup() -> Json:
    schema = described(TEXT, "The labelling configuration, XML.")
    found = record({"model_version": TEXT, "ignored": IGNORED}, ["model_version"])
    return _operation("Check a project's labelling configuration.", found, 400) | _body(record({"schema": schema}, []))


def _predict() -> Json:
    task = record(
        {"id": INTEGER, "data": described(ANY, "Pictures by name: address, data URL or /data/... path.")}, ["data"]
    )
    prediction = record(
        {
            "result": array(ANY),
            "score": {"type": ["number", "null"]},
            "model_version": TEXT,
            "error": described(TEXT, "Why a task has no regions."),
        },
        ["result", "score", "model_version"],
    )
    found = record(
        {"results": array(prediction), "model_version": TEXT, "ignored": IGNORED}, ["results", "model_version"]
    )
    ask = record({"tasks": array(task), "label_config": TEXT})
    return _operation("Regions for the pictures of tasks.", found, 400, 404, 408, 413, 503) | _body(ask)


def _webhook() -> Json:
    operation = _operation("An event that is not known.", record({"status": TEXT}), 400)
    known = record({"status": TEXT, "result": {"type": ["string", "null"]}})
    operation["responses"]["201"] = answer(f"Heard: {', '.join(EVENTS)}. Nothing is done.", known)
    return operation | {"summary": "Events of a project."} | _body(record({"action": TEXT}))
