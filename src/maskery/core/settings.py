"""Every setting: name, default, help. The only reader of the environment.

A value comes from the command line, else from ``MASKERY_<NAME>`` in the environment, else from the TOML file named by
``--config`` or ``MASKERY_CONFIG``, else from the table below. An unknown ``MASKERY_`` variable or key is an error. As a
drop-in for MAX, and only then, three variables of MAX count too; as one for the low-memory web app, two of that.
Variables that Kubernetes sets for a Service named ``maskery`` are passed over.
"""

import os
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from maskery.core import toml
from maskery.core.errors import ConfigError, nearest

UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip


def parse_bytes(name: str, text: str) -> int:
    """Bytes: 512_000_000 of "512MB", 1_610_612_736 of "1.5GiB". Raises ``ConfigError`` naming the setting ``name``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?B|B)", text.strip(), re.IGNORECASE | re.ASCII)
    if not found:
        raise ConfigError(f"{name} is {text!r}.", "Write a number with its unit: 512MB, 600MiB, 1.5GiB.")
    return int(float(found[1]) * UNITS[found[2].upper()])


PREFIX = "MASKERY_"

NO_LIMIT = "none"

# What Kubernetes puts into the environment of every pod for a Service named maskery, or maskery-SOMETHING.
SERVICE_LINK = re.compile(
    r"MASKERY(_[A-Z0-9_]+)?_"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
LINKED_PORT, LINKED_ADDRESS = re.compile(r"MASKERY(_[A-Z0-9_]+)?_PORT"), re.compile(r"(tcp|udp|sctp)://\S+")

MAX_PORT = 5000
DETECT_PORT = 8080
RENDER_PIXELS = 16  # that one step of RENDER_FACTOR stands for
MAX_FULL = "deeplabv3-mobilenetv2-voc-513"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a server, checked and immutable.

    Attributes:
        host: And every other one: its help is the description in its ``Meta``, which ``table`` reads for ``--help`` and
            docs/settings.md.
    """

    host: Annotated[str, Meta(description="Address to listen on; `::` takes IPv6 and IPv4.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8000
    uds: Annotated[str, Meta(description="Unix socket to listen on, a path; then `host` and `port` are not used.")] = ""
    model: Annotated[
        tuple[str, ...], Meta(description="Models to load at start; the first is the default one. Comma-separated.")
    ] = ("everyday",)
    device: Annotated[
        Literal["cpu", "cuda", "auto"], Meta(description="Where models run. `auto` says which it took.")
    ] = "cpu"
    threads: Annotated[int, Meta(ge=0, description="Threads of one model run; 0 = the usable cores.")] = 0
    precision: Annotated[
        Literal["float", "int8"],
        Meta(description="Arithmetic of the models: `int8` takes their int8 twins (docs/quantisation.md)."),
    ] = "float"
    max_bytes: Annotated[int, Meta(ge=1, description="Largest request body or picture file, in bytes.")] = 33_554_432
    max_pixels: Annotated[int, Meta(ge=1, description="Largest picture, in pixels, read from its header.")] = 80_000_000
    concurrency: Annotated[int, Meta(ge=1, description="Pictures that each process works on at once.")] = 2
    max_queue: Annotated[
        int, Meta(ge=0, description="Requests that may wait in one queue (a model's) of each process; more get 503.")
    ] = 64
    max_waiting_bytes: Annotated[
        int,
        Meta(
            ge=1,
            description="Bytes of pictures that wait or are at work in each process, of all callers; more get 503.",
        ),
    ] = 268_435_456
    memory: Annotated[
        str,
        Meta(
            description="Memory that each server process may take: `512MB`, `1.5GiB`, `none` = no limit; empty = the "
            "container's limit, where it has one. docs/memory.md"
        ),
    ] = ""
    embeddings: Annotated[
        str,
        Meta(
            description="Memory for pictures that wait for the next click (docs/prompts.md): `64MB`, at most a quarter "
            "of what `memory` leaves for work; `0B` keeps none."
        ),
    ] = "64MB"
    max_connections: Annotated[int, Meta(ge=1, description="Connections that may be open to each process at once.")] = (
        512
    )
    jobs: Annotated[
        str,
        Meta(description="Folder that keeps jobs (docs/jobs.md), of one process; empty = none are taken."),
    ] = ""
    job_bytes: Annotated[int, Meta(ge=1, description="Largest sum of a job's files, in bytes.")] = 1 << 30
    max_jobs: Annotated[int, Meta(ge=1, description="Jobs of one key that may be unfinished; more get 503.")] = 16
    job_hours: Annotated[float, Meta(gt=0, description="Hours that a job is kept after its end.")] = 24.0
    jobs_disk: Annotated[int, Meta(ge=1, description="Bytes that the files of all jobs may take; more get 503.")] = (
        10 << 30
    )
    max_batch: Annotated[
        int, Meta(ge=1, description="Most like-sized pictures that run together, where that is measured to gain.")
    ] = 8
    max_pictures: Annotated[int, Meta(ge=1, description="Most pictures in one request.")] = 16
    idle_unload: Annotated[
        float, Meta(ge=0, description="Seconds after which an idle model but the default is unloaded; 0 = never.")
    ] = 0.0
    alias: Annotated[tuple[str, ...], Meta(description="Other names of models, as ALIAS=NAME. Comma-separated.")] = ()
    timeout: Annotated[float, Meta(gt=0, description="Seconds a request may take, body included; then 408 or 503.")] = (
        60.0
    )
    protocols: Annotated[
        tuple[str, ...],
        Meta(description="Compatible APIs that are served beside `/v1`; empty = none. Comma-separated."),
    ] = ("max", "open-inference", "hugging-face", "rembg", "label-studio", "cvat", "detect")
    drop_in: Annotated[
        Literal["", "max", "detect"],
        Meta(
            description="Stand in for another server: `max` = MAX-Image-Segmenter (docs/protocols/max.md), `detect` = "
            "the low-memory instance web app (docs/protocols/detect.md)."
        ),
    ] = ""
    detect_side: Annotated[
        int,
        Meta(ge=0, le=4096, description="Longest side of what the model of `/detect` sees, in pixels; 0 = its own."),
    ] = 0
    map_side: Annotated[
        int, Meta(ge=16, le=1024, description="Longest side of the class maps of the MAX API, in pixels.")
    ] = 513
    cache: Annotated[
        str, Meta(description="Folder for pulled and added models; empty = the platform's cache folder.")
    ] = ""
    mirror: Annotated[
        str, Meta(description="Folder or URL that holds model files by their names, asked instead of their addresses.")
    ] = ""
    offline: Annotated[bool, Meta(description="Never fetch anything.")] = False
    url_input: Annotated[
        Literal["public", "allow-list", "off"],
        Meta(description="Pictures by URL: from public addresses and `url_allow`, only from `url_allow`, or not."),
    ] = "public"
    url_allow: Annotated[
        tuple[str, ...],
        Meta(description="Hosts that may be private: `nas`, `*.example.org`, `10.0.0.5:9000`. Comma-separated."),
    ] = ()
    url_timeout: Annotated[float, Meta(gt=0, description="Seconds a picture by URL may take, redirects included.")] = (
        20.0
    )
    label_studio_url: Annotated[
        str,
        Meta(
            description="Label Studio's own address, for pictures that it keeps: `http://nas:8080`. It may be private."
        ),
    ] = ""
    label_studio_token: Annotated[
        str, Meta(description="Access token of a Label Studio user, sent to `label_studio_url` and nowhere else.")
    ] = ""
    api_keys: Annotated[
        tuple[str, ...], Meta(description="Keys, `KEY` or `NAME:KEY`; without any, nobody needs one. Comma-separated.")
    ] = ()
    api_keys_file: Annotated[
        str, Meta(description="File with more keys, `KEY` or `NAME:KEY` a line, `#` comments.")
    ] = ""
    rate_limit: Annotated[
        str,
        Meta(
            description="Requests of one key or else address, counted by each process: `10/s`, `600/m`, `1000/h`; "
            "empty = no limit."
        ),
    ] = ""
    trust_proxy: Annotated[
        bool, Meta(description="Take the client's address from the last entry of `X-Forwarded-For`.")
    ] = False
    cors: Annotated[
        tuple[str, ...], Meta(description="Origins whose pages may call this server, or `*`. Comma-separated.")
    ] = ()
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="How much the log says.")] = (
        "info"
    )
    log_format: Annotated[
        Literal["text", "json"], Meta(description="Lines of text for people, or one JSON object a line for programs.")
    ] = "text"
    otel_endpoint: Annotated[
        str,
        Meta(description="OpenTelemetry collector that gets the traces, `http://HOST:4318` say; empty = no traces."),
    ] = ""

    def __repr__(self) -> str:
        """Without keys and tokens: settings find their way into logs."""
        hidden = {
            "api_keys": ("...",) * len(self.api_keys),
            "label_studio_token": "..." * bool(self.label_studio_token),
        }
        shown = msgspec.structs.asdict(self) | hidden
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """The settings in force. ``overrides``: what the command line gave (None = not given).

    Raises ``ConfigError`` naming the variable or key and the nearest known one.
    """
    given = os.environ if environment is None else environment
    links = service_links(given)
    variables = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in given.items()
        if name.startswith(PREFIX) and name not in links
    }
    config_path = config or (Path(variables["config"]) if variables.get("config") else None)
    variables.pop("config", None)
    known = {f.name: f.type for f in msgspec.structs.fields(Settings)}
    for name in variables:
        if name not in known:
            hint = nearest(PREFIX + name.upper(), [PREFIX + k.upper() for k in known])
            raise ConfigError(f"Unknown environment variable {PREFIX}{name.upper()}.", hint)
    from_file: dict[str, Any] = {}
    if config_path:
        from_file = toml.read_raw(config_path)
        toml.convert(from_file, Settings, str(config_path))
    nearer = {name: _from_text(f"{PREFIX}{name.upper()}", text, known[name]) for name, text in variables.items()}
    nearer |= {k: v for k, v in (overrides or {}).items() if v is not None}
    if (from_file | nearer).get("drop_in") == "max":
        from_file = {"port": MAX_PORT} | from_file | max_variables(given)[0]
    if (from_file | nearer).get("drop_in") == "detect":
        from_file = {"port": DETECT_PORT} | from_file | detect_variables(given)
    try:
        return msgspec.convert(from_file | nearer, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"Setting out of range: {error}.", "See docs/settings.md.") from error


def service_links(environment: Mapping[str, str] | None = None) -> list[str]:
    """Variables that Kubernetes sets for a Service named maskery or maskery-SOMETHING, sorted: they are no settings.

    Among them is MASKERY_PORT where its value is an address, ``tcp://10.0.0.1:8000``.
    """
    given = os.environ if environment is None else environment
    return sorted(
        name
        for name, text in given.items()
        if SERVICE_LINK.fullmatch(name) or (LINKED_PORT.fullmatch(name) and LINKED_ADDRESS.fullmatch(text))
    )


def max_variables(environment: Mapping[str, str] | None = None) -> tuple[dict[str, Any], list[str]]:
    """What MODEL_TYPE, IMAGE_SIZE and CORS_ENABLE of MAX-Image-Segmenter set, and remarks on values that it ignores."""
    given = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    remarks: list[str] = []
    kind, side, cors = given.get("MODEL_TYPE", "mobile"), given.get("IMAGE_SIZE"), given.get("CORS_ENABLE", "false")
    if kind == "full":
        values["model"] = [MAX_FULL]
    elif kind != "mobile":
        remarks.append(f"MODEL_TYPE={kind!r} is neither mobile nor full: it is taken as mobile")
    if side is not None:
        known = side.isascii() and side.isdigit() and len(side) < 10 and 16 <= int(side) <= 1024
        values["map_side"] = int(side) if known else 513
        remarks += [] if known else [f"IMAGE_SIZE={side!r} is not a whole number from 16 to 1024: it is taken as 513"]
    if cors == "true":
        values["cors"] = ["*"]
    elif cors != "false":
        remarks.append(f"CORS_ENABLE={cors!r} is not true: pages of other origins may not call this server")
    return values, remarks


def detect_variables(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What PORT and RENDER_FACTOR of the low-memory instance web app set. Raises ``ConfigError`` for other values."""
    given = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for variable, name, most, unit in (
        ("PORT", "port", 65_535, 1),
        ("RENDER_FACTOR", "detect_side", 4096 // RENDER_PIXELS, RENDER_PIXELS),
    ):
        text = given.get(variable, "").strip()
        if not text:
            continue
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise ConfigError(f"{variable} is {text!r}.", f"Give a whole number from 1 to {most}, or leave it out.")
        values[name] = int(text) * unit
    return values


def _from_text(name: str, text: str, kind: Any) -> Any:
    base = typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind
    if typing.get_origin(base) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}={text!r}: {error}.", "See docs/settings.md.") from error


def table() -> list[tuple[str, str, str, str]]:
    """Rows (name, environment variable, default, help) of every setting, for the documentation and ``--help``."""
    rows = []
    for f in msgspec.structs.fields(Settings):
        text = next(a.description for a in typing.get_args(f.type)[1:] if isinstance(a, Meta) and a.description)
        default = ",".join(f.default) if isinstance(f.default, tuple) else str(f.default)
        rows.append((f.name, PREFIX + f.name.upper(), default, text))
    return rows
