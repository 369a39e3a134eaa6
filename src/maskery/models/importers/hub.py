"""A repository of the Hugging Face Hub -> a folder of one fixed revision, and the licence in its README.md."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from maskery.core.errors import BadRequest, DownloadError, MissingExtra, first_line

LIMIT = 1 << 20


def licence_of_readme(folder: Path) -> str | None:
    """The licence's name; of "other" its ``license_name``. None without a README, front matter, or a licence in it."""
    values = _front_matter(folder / "README.md")
    name = values.get("license", "")
    if name.lower() in ("other", "unknown"):
        name = values.get("license_name", "")
    return name or None


def _front_matter(path: Path) -> dict[str, str]:
    """The plain values of the first level; lists and blocks are not read."""
    try:
        text = path.read_bytes()[:LIMIT].decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return {}
    match = re.match(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    lines = match[1].splitlines() if match else []
    pairs = [re.match(r"([A-Za-z_]+):[ \t]+([^#\[\]{}|>]+?)[ \t]*(?:#.*)?$", line) for line in lines]
    return {pair[1]: pair[2].strip("'\"") for pair in pairs if pair}


REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
# What a model is: no pickles, no code.
WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "vocab.txt", "merges.txt", "README.md"]


@dataclass(frozen=True)
class Snapshot:
    """``folder``: where it lies; ``revision``: the commit, empty for a folder of the user's."""

    name: str
    folder: Path
    revision: str = ""


def snapshot(source: str, revision: str | None = None, offline: bool = False) -> Snapshot:
    """``source``: the path of a folder, or a repository's id (``nvidia/segformer-b0-finetuned-ade-512-512``), fetched.

    ``revision``: a branch, tag or commit; its present commit is fetched and goes into the card. Raises ``BadRequest``
    for what is neither, ``DownloadError``, ``MissingExtra``.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision:
            raise BadRequest(f"{folder} is a folder: it has no revision.", "Leave --revision out.")
        return Snapshot(folder.resolve().name, folder)
    if source.startswith((".", "/", "~")) or not REPOSITORY.fullmatch(source):
        raise BadRequest(f"{source!r} is no folder, and no repository of the Hub.", "Say hf/OWNER/NAME or hf/FOLDER.")
    if offline:
        raise DownloadError(f"Offline, {source} is not fetched.", _cure(source))
    return _fetched(source, revision)


def _fetched(repository: str, revision: str | None) -> Snapshot:
    if find_spec("huggingface_hub") is None:
        raise MissingExtra("Fetching from the Hub needs huggingface_hub.", "Run: pip install 'maskery[hf]'")
    from huggingface_hub import HfApi, snapshot_download

    try:
        commit = HfApi().model_info(repository, revision=revision).sha
        folder = snapshot_download(repository, revision=commit, allow_patterns=WANTED)
    except Exception as error:  # its own and its HTTP client's share no base class
        raise DownloadError(
            f"{repository} could not be fetched from the Hub: {first_line(error)}", _cure(repository)
        ) from error
    return Snapshot(repository.rpartition("/")[2], Path(folder), commit or "")


def _cure(repository: str) -> str:
    return (
        f"Fetch https://huggingface.co/{repository} elsewhere (.safetensors, .json, README.md) and give the folder: "
        "maskery models import hf/FOLDER"
    )
