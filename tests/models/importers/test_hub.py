from pathlib import Path

import pytest

from maskery.core.errors import BadRequest, DownloadError
from maskery.models.importers.hub import WANTED, snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_folder(tmp_path: Path) -> None:
    found = snapshot(str(tmp_path))
    assert (found.folder, found.name, found.revision) == (tmp_path, tmp_path.name, "")
    with pytest.raises(BadRequest, match="--revision"):
        snapshot(str(tmp_path), "main")


@pytest.mark.parametrize("source", ["./nowhere", "/nowhere", "~/nowhere-at-all", "a/b/c", "a b", "../x"])
def test_neither_folder_nor_repository(source: str) -> None:
    with pytest.raises(BadRequest, match="no folder, and no repository"):
        snapshot(source)


def test_offline() -> None:
    with pytest.raises(DownloadError, match=r"https://huggingface\.co/nvidia/segformer-b0"):
        snapshot("nvidia/segformer-b0", offline=True)


def test_what_is_fetched_is_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked: list[object] = []

    class Info:
        sha = COMMIT

    def model_info(self: object, repository: str, revision: str | None) -> Info:
        asked.append((repository, revision))
        return Info()

    def snapshot_download(repository: str, revision: str, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    found = snapshot("nvidia/segformer-b0", "main")
    assert (found.folder, found.name, found.revision) == (tmp_path, "segformer-b0", COMMIT)
    assert asked == [("nvidia/segformer-b0", "main"), ("nvidia/segformer-b0", COMMIT, WANTED)]
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in WANTED)


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def model_info(self: object, repository: str, revision: str | None) -> None:
        raise ConnectionError("nobody there\nand more")

    monkeypatch.setattr(hub.HfApi, "model_info", model_info)
    with pytest.raises(DownloadError, match=r"could not be fetched from the Hub: nobody there Fetch .* hf/FOLDER"):
        snapshot("nvidia/segformer-b0")
