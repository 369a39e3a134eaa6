"""Wheels of what is installed here, packed again: the versions that were tried, without an index or a build tool.

A wheel is a zip of the files that an installation's RECORD lists (the binary distribution format of the Python
Packaging User Guide). Time stamps are fixed and names sorted, so the same files give the same bytes.
"""

import base64
import csv
import hashlib
import importlib.metadata
import io
import re
import sys
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import maskery
from maskery.core.errors import MissingExtra, ModelError
from maskery.core.files import whole_file

EPOCH = (1980, 1, 1, 0, 0, 0)
BUILTIN = "maskery/models/builtin/"
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
Distribution = importlib.metadata.Distribution


def closure(extras: Iterable[str] = ()) -> list[Distribution]:
    """Maskery and all that it needs here, with ``extras`` of it, by name. Raises ``MissingExtra``."""
    found: dict[str, Distribution] = {}
    asked = [("maskery", extra) for extra in ("", *extras)]
    seen: set[tuple[str, str]] = set()
    while asked:
        name, extra = asked.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = _installed(name, extra)
        for text in found[name].requires or []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                asked += [(str(canonicalize_name(need.name)), one) for one in ("", *need.extras)]
    return [found[name] for name in sorted(found)]


def pack(distribution: Distribution, folder: Path, level: int = 1, models: Collection[str] | None = None) -> Path:
    """Write the wheel of an installed distribution into ``folder``. ``level``: of compression, 0 = none.

    ``models``: the built-in ones that Maskery's own wheel keeps, None = all; the terms of the others then bind nobody.

    Raises ``ModelError`` where the installation does not list its files; ``OSError``.
    """
    name = re.sub(r"[-_.]+", "_", distribution.metadata["Name"])
    stem = f"{name}-{distribution.version}"
    target = folder / f"{stem}-{_tag(distribution)}.whl"
    kind = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
    with whole_file(target) as file, zipfile.ZipFile(file, "w", kind, compresslevel=level or None) as archive:
        record = io.StringIO()
        rows = csv.writer(record, lineterminator="\n")
        for path, data in _content(distribution, f"{stem}.dist-info"):
            if _of_another_model(path, models):
                continue
            _add(archive, path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.writerow([path, f"sha256={digest}", len(data)])
        rows.writerow([f"{stem}.dist-info/RECORD", "", ""])
        _add(archive, f"{stem}.dist-info/RECORD", record.getvalue().encode())
    return target


def python_version() -> str:
    """The interpreter's version as base images are tagged: 3.11."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _installed(name: str, extra: str) -> Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        cure = f"Run: pip install {name}" if not extra else f"Run: pip install '{name}[{extra}]'"
        raise MissingExtra(f"The package {name} is to be deployed, and is not installed here.", cure) from error


def _tag(distribution: Distribution) -> str:
    """``cp311-cp311-manylinux_2_28_x86_64``, of the Tag lines of WHEEL; several are joined by dots."""
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    parts = [line.removeprefix("Tag:").strip().split("-") for line in lines if line.startswith("Tag:")]
    if not parts:
        raise ModelError(
            f"{distribution.metadata['Name']} was not installed from a wheel.", "Install it by pip, in an environment."
        )
    return "-".join(".".join(dict.fromkeys(column)) for column in zip(*parts, strict=True))


def _content(distribution: Distribution, info: str) -> Iterator[tuple[str, bytes]]:
    """Path in the wheel and bytes, by path. Maskery's own modules are those that run now, installed or a checkout."""
    own = distribution.metadata["Name"].lower() == "maskery"
    files: dict[str, Path] = {}
    for path in distribution.files or []:
        text = path.as_posix()
        metadata = ".dist-info/" in text
        if metadata and path.name not in LEFT_OUT:
            files[f"{info}/{text.split('.dist-info/', 1)[1]}"] = Path(str(path.locate()))
        elif not (metadata or own or text.startswith("..") or path.suffix == ".pyc"):
            files[text] = Path(str(path.locate()))
    if own:
        root = Path(maskery.__file__).parent
        inner = (p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        files |= {f"maskery/{p.relative_to(root).as_posix()}": p for p in inner}
    if not files:
        raise ModelError(f"{distribution.metadata['Name']} does not list its files.", "Install it by pip.")
    for name in sorted(files):
        yield name, files[name].read_bytes()


def _of_another_model(path: str, models: Collection[str] | None) -> bool:
    return models is not None and path.startswith(BUILTIN) and path.removeprefix(BUILTIN).split("/")[0] not in models


def _add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(path, EPOCH)
    entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
    entry.compress_type = archive.compression
    archive.writestr(entry, data)
