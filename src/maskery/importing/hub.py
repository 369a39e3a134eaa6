"""A repository of the Hugging Face Hub -> a folder, of one revision that does not change."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from maskery.errors import BadRequest, DownloadError, MissingExtra

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

    ``revision``: a branch, tag or commit; the commit that it is now is what is fetched and said. Raises ``BadRequest``
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
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DownloadError(f"{repository} could not be fetched from the Hub: {reason}", _cure(repository)) from error
    return Snapshot(repository.rpartition("/")[2], Path(folder), commit or "")


def _cure(repository: str) -> str:
    return (
        f"Fetch https://huggingface.co/{repository} elsewhere (.safetensors, .json, README.md) and give the folder: "
        "maskery models import hf/FOLDER"
    )
