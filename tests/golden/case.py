"""One golden answer: a digest of its bytes, and a summary that explains a mismatch.

A case is plain data. ``sha256`` and ``parts`` (by top-level key of a JSON object) and ``pixels`` are digests and equal
only where processor and libraries are the recording's; ``like`` is equal everywhere; ``near`` has numbers, shares of
classes above all, that are equal to ``TOLERANCE``.
"""

import base64
import binascii
import hashlib
import io
import json
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Json = Any
Case = dict[str, Any]

TOLERANCE = 0.01
PNG = b"\x89PNG\r\n\x1a\n"
VERSION = re.compile(r"(?i)\b(maskery[ /]v?)\d+\.\d+[\w.+-]*")
# Members whose values differ between runs and machines: their presence counts, not their value.
UNSTEADY = {
    "batch", "budget_mb", "devices", "estimated_mb", "idle_seconds", "last_change", "memory_bytes",
    "rss_after", "rss_before", "runtime", "seconds", "uptime_seconds",
}  # fmt: skip
LONGEST_TEXT = 900


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def case_of(data: bytes, **like: Json) -> Case:
    """The case of an answer's bytes, of whatever kind; ``like``: more that is equal on every machine."""
    if data.startswith(PNG):
        case = _png(data)
    elif data.startswith(b"\xff\xd8\xff"):
        case = {"sha256": digest(data), **_picture(data)}
    elif data.startswith(b"\x93NUMPY"):
        case = array_case(np.load(io.BytesIO(data)))
    elif data.startswith(b"PK"):
        case = _archive(data)
    else:
        case = _text(data)
    case["like"] = like | case.get("like", {})
    return case


def array_case(array: NDArray[Any]) -> Case:
    """The case of an array: shares of whole numbers, mean of others, every score of a vector of scores."""
    if array.dtype.kind == "U":
        return {"sha256": digest(_compact(settled(array.tolist()))), "like": {"shape": list(array.shape)}}
    like = {"dtype": str(array.dtype), "shape": list(array.shape)}
    found: Case = {"sha256": digest(np.ascontiguousarray(array).tobytes()), "like": like}
    if array.dtype.kind in "iu":
        values, counts = np.unique(array, return_counts=True)
        found["near"] = _rounded({str(v): c / array.size for v, c in zip(values, counts, strict=True)})
    elif array.ndim == 1:
        found["near"] = _rounded({str(i): float(v) for i, v in enumerate(array) if v >= TOLERANCE / 2})
    else:
        found["near"] = _rounded({"mean": float(array.mean()), "above half": float((array >= 0.5).mean())})
    return found


def json_case(value: Json, **like: Json) -> Case:
    """The case of plain data."""
    steady = settled(value)
    found: Case = {"sha256": digest(_compact(steady)), "like": like}
    if isinstance(steady, dict):
        found["like"]["keys"] = sorted(steady)
        found["parts"] = {key: digest(_compact(part))[:8] for key, part in steady.items()}
    if near := _shares(steady):
        found["near"] = near
    return found


def text_case(text: str, **like: Json) -> Case:
    """The case of words that are the same on every machine: errors, exit codes."""
    return {"sha256": digest(settled(text).encode()), "like": like | {"text": settled(text)[:LONGEST_TEXT]}}


def settled(value: Json) -> Json:
    """``value`` without what differs between runs: versions of this package, times, estimates of memory."""
    if isinstance(value, dict):
        return {key: _member(key, member) for key, member in value.items()}
    if isinstance(value, list):
        return [settled(member) for member in value]
    return _settled_text(value) if isinstance(value, str) else value


def differences(name: str, old: Mapping[str, Json] | None, new: Mapping[str, Json] | None, exact: bool) -> list[str]:
    """What is not as recorded, a line each; nothing where all is."""
    if old is None or new is None:
        return [f"{name}: {'not recorded' if old is None else 'no longer answered'}"]
    found = [f"{name}: {line}" for line in _unlike(old.get("like", {}), new.get("like", {}))]
    found += [f"{name}: {line}" for line in _far(old.get("near", {}), new.get("near", {}), 0.0 if exact else TOLERANCE)]
    if exact and old["sha256"] != new["sha256"]:
        found.append(f"{name}: {_where(old, new)}")
    return found


def _member(key: str, value: Json) -> Json:
    if key == "timings_ms" and isinstance(value, dict):
        return dict.fromkeys(value, 0)
    if key in UNSTEADY:
        return 0
    return settled(value)


def _settled_text(text: str) -> Json:
    if text.startswith("iVBORw0KGgo"):
        try:
            return _png(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            return text
    if text.startswith("{") and text.endswith("}"):
        try:
            return settled(json.loads(text))
        except ValueError:
            pass
    return VERSION.sub(r"\1VERSION", text)


def _png(data: bytes) -> Case:
    """Of a PNG's chunks; the package's version in a text chunk does not count."""
    place, steady = len(PNG), hashlib.sha256()
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        content = data[place + 8 : place + 8 + size]
        if kind in (b"iTXt", b"tEXt"):
            content = VERSION.sub(r"\1VERSION", content.decode("latin-1")).encode("latin-1")
        steady.update(kind + content)
        place += 12 + size
    return {"sha256": steady.hexdigest()[:20], **_picture(data)}


def _picture(data: bytes) -> Case:
    image = Image.open(io.BytesIO(data))
    array = np.asarray(image)
    like = {"kind": image.format, "mode": image.mode, "size": list(image.size)}
    if image.mode == "P":
        near = array_case(array)["near"]
    else:
        bands = array.reshape(array.shape[0] * array.shape[1], -1)
        scale = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
        near = _rounded({f"band {i}": float(bands[:, i].mean() / scale) for i in range(bands.shape[1])})
    return {"pixels": digest(array.tobytes()), "like": like, "near": near}


def _archive(data: bytes) -> Case:
    """Of the arrays of an npz; the zip's times do not count."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: array_case(archive[name]) for name in archive.files}
    near = {f"{name} {key}": value for name, case in arrays.items() for key, value in case.get("near", {}).items()}
    return {
        "sha256": digest(_compact({name: case["sha256"] for name, case in arrays.items()})),
        "parts": {name: case["sha256"][:8] for name, case in arrays.items()},
        "like": {"arrays": {name: case["like"] for name, case in arrays.items()}},
        "near": near,
    }


def _text(data: bytes) -> Case:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"sha256": digest(data), "like": {"kind": "bytes"}}
    try:
        return json_case(json.loads(text))
    except ValueError:
        steady = VERSION.sub(r"\1VERSION", text)
        kind = next((name for name in ("<svg", "<annotations") if name in steady), "text")
        return {"sha256": digest(steady.encode()), "like": {"kind": kind}}


def _shares(value: Json) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    if isinstance(value.get("seg_map"), list):
        near: dict[str, float] = array_case(np.asarray(value["seg_map"], np.uint16))["near"]
        return near
    items = [*(value.get("classes") or ()), *(value.get("top") or ())]
    numbers = {i["name"]: i.get("share", i.get("score")) for i in items if isinstance(i, dict) and "name" in i}
    return _rounded({name: number for name, number in numbers.items() if number is not None})


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {key: round(float(number), 4) for key, number in numbers.items()}


def _compact(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _unlike(old: Mapping[str, Json], new: Mapping[str, Json], prefix: str = "") -> list[str]:
    found = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _unlike(before, after, f"{prefix}{key} ")
        elif before != after:
            found.append(f"{prefix}{key} was {before!r}, is {after!r}")
    return found


def _far(old: Mapping[str, float], new: Mapping[str, float], tolerance: float) -> list[str]:
    keys = sorted({*old, *new})
    return [
        f"{key} was {old.get(key, 0.0):.4f}, is {new.get(key, 0.0):.4f}"
        for key in keys
        if abs(old.get(key, 0.0) - new.get(key, 0.0)) > tolerance + 1e-9
    ]


def _where(old: Mapping[str, Json], new: Mapping[str, Json]) -> str:
    if "pixels" in old and old.get("pixels") == new.get("pixels"):
        return "other bytes, the same pixels"
    before, after = old.get("parts", {}), new.get("parts", {})
    changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return f"other bytes in {', '.join(changed)}" if changed else "other bytes"
