import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskery.core.errors import ChecksumError, DownloadError
from maskery.models import download
from maskery.models.download import fetch
from tests.models.cards import DATA, card
from tests.models.file_server import FileServer, serving

HALF = len(DATA) // 2


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between retries, and no proxy of the machine before 127.0.0.1."""
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer({"/tiny.onnx": DATA})) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "here" / "tiny.onnx"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(DATA)
    return folder


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def leave_half(target: Path) -> None:
    target.parent.mkdir()
    (target.parent / "tiny.onnx.partial").write_bytes(DATA[:HALF])


def test_mirror_folder(mirror: Path, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    fetch(card().networks[0], target, str(mirror), progress=lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == DATA
    assert left(target) == ["tiny.onnx"]
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


@pytest.mark.parametrize("wrong", [DATA[:-1] + b"?", DATA[:-1], DATA + b"?", b""])
def test_wrong_bytes_are_refused_and_nothing_stays(mirror: Path, target: Path, wrong: bytes) -> None:
    (mirror / "tiny.onnx").write_bytes(wrong)
    with pytest.raises(ChecksumError, match=r"tiny\.onnx"):
        fetch(card().networks[0], target, str(mirror))
    assert left(target) == []


def test_wrong_bytes_from_a_server_are_refused_and_nothing_stays(server: FileServer, target: Path) -> None:
    server.files["/tiny.onnx"] = DATA[:100] + bytes([DATA[100] ^ 1]) + DATA[101:]
    with pytest.raises(ChecksumError, match="sha256"):
        fetch(card().networks[0], target, server.url)
    assert left(target) == []


def test_mirror_without_the_file(mirror: Path, target: Path) -> None:
    (mirror / "tiny.onnx").unlink()
    with pytest.raises(DownloadError, match="MASKERY_MIRROR"):
        fetch(card().networks[0], target, str(mirror))
    assert not target.exists()


def test_own_address(server: FileServer, target: Path) -> None:
    fetch(card(url=f"{server.url}/tiny.onnx").networks[0], target)
    assert target.read_bytes() == DATA


def test_mirror_url_is_asked_instead_of_the_address(server: FileServer, target: Path) -> None:
    fetch(card().networks[0], target, f"{server.url}/")
    assert target.read_bytes() == DATA
    assert server.requests == [("/tiny.onnx", None)]


def test_broken_connection_keeps_the_part_and_resumes(server: FileServer, target: Path) -> None:
    server.cut_after = HALF
    with pytest.raises(DownloadError, match="goes on from there"):
        fetch(card().networks[0], target, server.url)
    assert left(target) == ["tiny.onnx.partial"]
    assert (target.parent / "tiny.onnx.partial").read_bytes() == DATA[:HALF]

    sent, seen = server.sent, list[int]()
    fetch(card().networks[0], target, server.url, progress=lambda done, total: seen.append(done))
    assert target.read_bytes() == DATA
    assert left(target) == ["tiny.onnx"]
    assert server.requests[-1] == ("/tiny.onnx", f"bytes={HALF}-")
    assert server.sent - sent == len(DATA) - HALF
    assert seen[0] == HALF


def test_server_without_range_starts_over(server: FileServer, target: Path) -> None:
    server.ranges = False
    leave_half(target)
    fetch(card().networks[0], target, server.url)
    assert server.requests == [("/tiny.onnx", f"bytes={HALF}-")]
    assert target.read_bytes() == DATA


def test_wrong_part_starts_over(server: FileServer, target: Path) -> None:
    server.shifted = True
    leave_half(target)
    fetch(card().networks[0], target, server.url)
    assert server.requests == [("/tiny.onnx", f"bytes={HALF}-"), ("/tiny.onnx", None)]
    assert target.read_bytes() == DATA


def test_range_beyond_the_file_starts_over(server: FileServer, target: Path) -> None:
    server.files["/tiny.onnx"] = DATA[:HALF]
    leave_half(target)
    with pytest.raises(ChecksumError, match="bytes"):
        fetch(card().networks[0], target, server.url)
    assert server.requests == [("/tiny.onnx", f"bytes={HALF}-"), ("/tiny.onnx", None)]
    assert left(target) == []


def test_complete_partial_needs_no_request(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / "tiny.onnx.partial").write_bytes(DATA)
    fetch(card().networks[0], target, server.url)
    assert target.read_bytes() == DATA
    assert server.requests == []


def test_overlong_partial_is_dropped(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / "tiny.onnx.partial").write_bytes(DATA + b"?")
    fetch(card().networks[0], target, server.url)
    assert server.requests == [("/tiny.onnx", None)]
    assert target.read_bytes() == DATA


def test_endless_answer_is_cut(server: FileServer, target: Path) -> None:
    server.endless = True
    with pytest.raises(ChecksumError, match="larger"):
        fetch(card().networks[0], target, server.url)
    assert left(target) == []


def test_busy_server_is_asked_again(server: FileServer, target: Path) -> None:
    server.failures = 2
    fetch(card().networks[0], target, server.url)
    assert len(server.requests) == 3


def test_server_that_stays_busy(server: FileServer, target: Path) -> None:
    server.failures = 99
    with pytest.raises(DownloadError, match="503"):
        fetch(card().networks[0], target, server.url)
    assert len(server.requests) == 1 + download.RETRIES


def test_missing_page_keeps_the_part(server: FileServer, target: Path) -> None:
    server.files.clear()
    leave_half(target)
    with pytest.raises(DownloadError, match="404"):
        fetch(card().networks[0], target, server.url)
    assert left(target) == ["tiny.onnx.partial"]


def test_redirect(server: FileServer, target: Path) -> None:
    server.redirects["/old"] = "/tiny.onnx"
    fetch(card(url=f"{server.url}/old").networks[0], target)
    assert target.read_bytes() == DATA


def test_redirect_to_another_scheme(server: FileServer, target: Path) -> None:
    server.redirects["/old"] = "file:///etc/hostname"
    with pytest.raises(DownloadError):
        fetch(card(url=f"{server.url}/old").networks[0], target)
    assert left(target) == []


def test_stalled_server(server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.1)
    server.stall = threading.Event()
    with pytest.raises(DownloadError, match="timed out"):
        fetch(card().networks[0], target, server.url)


def test_nobody_listens(target: Path) -> None:
    with serving(FileServer()) as gone:
        pass
    with pytest.raises(DownloadError, match="MASKERY_MIRROR"):
        fetch(card().networks[0], target, gone.url)


@pytest.mark.parametrize("mirror", ["ftp://models.invalid", "file:///mirror"])
def test_other_schemes_are_refused(target: Path, mirror: str) -> None:
    with pytest.raises(DownloadError, match="http"):
        fetch(card().networks[0], target, mirror)


def test_card_without_address(target: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be fetched"):
        fetch(card(url="").networks[0], target)


def test_proxy_of_the_system_is_used(server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.files["http://models.invalid/tiny.onnx"] = DATA
    fetch(card(url="http://models.invalid/tiny.onnx").networks[0], target)
    assert target.read_bytes() == DATA


def test_memory_is_bounded(mirror: Path, target: Path) -> None:
    large = bytes(24_000_000)
    (mirror / "tiny.onnx").write_bytes(large)
    wanted = card(data=large).networks[0]
    tracemalloc.start()
    try:
        fetch(wanted, target, str(mirror))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
