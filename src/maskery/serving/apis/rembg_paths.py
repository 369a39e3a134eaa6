"""What rembg's API is in the OpenAPI document."""

from typing import Any

from maskery.serving import schema
from maskery.serving.apis.rembg import FILE, STANDARD, URL
from maskery.settings import Settings

TAG = "rembg"


def paths(settings: Settings) -> schema.Json:
    """Path items of the routes."""
    byte = schema.INTEGER | {"minimum": 0, "maximum": 255}
    form: dict[str, Any] = {
        "model": schema.described(schema.TEXT, f"A name of /v1/models; {STANDARD}, as without: the default model."),
        "a": schema.described(schema.BOOLEAN, "Alpha matting: not available, true is refused."),
        "af": byte,
        "ab": byte,
        "ae": schema.INTEGER | {"minimum": 0},
        "om": schema.described(schema.BOOLEAN, "Only the mask, as a grey PNG."),
        "ppm": schema.described(schema.BOOLEAN, "Post-process the mask: specks go, edges become smooth."),
    }
    query = [
        schema.query("bgc", schema.TEXT, "Colour of the background: `255,255,255,255`."),
        schema.query("extras", schema.TEXT, 'JSON object; `{"classes": "person,dog"}` keeps only these.'),
    ]
    url = schema.query(URL, schema.TEXT, "Address of the picture, http or https; docs/security.md.", required=True)
    picture = schema.form({FILE: schema.raw("image/*", settings.max_bytes)} | form, [FILE])
    in_query = [schema.query(name, kind, kind.get("description", "For alpha matting.")) for name, kind in form.items()]
    return {
        "/api/remove": {
            "get": _operation("The picture at an address without its background.", [url, *in_query, *query]),
            "post": _operation("The picture without its background.", query, picture),
        }
    }


def _operation(summary: str, parameters: list[schema.Json], body: schema.Json | None = None) -> schema.Json:
    detail = schema.record({"detail": {"anyOf": [schema.TEXT, schema.array({"type": "object"})]}})
    problems = {
        400: "Not a picture, or one that cannot be fetched.",
        404: "No such model.",
        413: "Too many bytes or pixels.",
        415: "No picture of a known kind.",
        422: "Parameters that mean nothing.",
        503: "Busy.",
    }
    ok = schema.answer("RGBA, or grey with om.", schema.raw("image/png"), "image/png")
    return schema.operation(TAG, summary, ok, schema.errors(detail, problems), parameters, body)
