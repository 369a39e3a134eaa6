"""``maskery segment --server``: outputs and exit codes of the local verb, which tests/cli/test_main.py has."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_main import run
from tests.material import encoded, photo
from tests.serving.live import Server

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "cat.jpg").write_bytes(encoded(photo("chelsea"), "JPEG", (120, 80)))
    (folder / "astronaut.png").write_bytes(encoded(photo("astronaut"), "PNG", (90, 90)))
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, ...]]:
    """The options that lead to a server."""
    running = Server("--model", "everyday", MASKERY_API_KEYS=f"test:{KEY}")
    yield "--server", f"http://127.0.0.1:{running.port}", "--key", KEY
    running.stop()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--format", "coco", "--option", "min_area=5", "--option", "shape=polygon"),
        ("--format", "overlay", "--classes", "cat", "--max-side", "128"),
        ("--format", "entropy", "--option", "depth=16"),
        ("--model", "faces", "--format", "mask"),
    ],
)
def test_one_picture_has_the_bytes_and_notes_of_the_local_verb(
    pictures: Path, server: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    local, remote = (run("segment", pictures / "cat.jpg", *arguments, *more) for more in ((), server))
    assert (remote.returncode, remote.stdout, remote.stderr) == (0, local.stdout, local.stderr)


def test_standard_input_and_json_lines(pictures: Path, server: tuple[str, ...]) -> None:
    by_path = run("segment", pictures / "cat.jpg", *server)
    assert run("segment", "-", *server, stdin=(pictures / "cat.jpg").read_bytes()).stdout == by_path.stdout
    lines = run("segment", pictures, "--format", "summary", *server).stdout.decode().splitlines()
    assert [Path(json.loads(line)["file"]).name for line in lines] == ["astronaut.png", "cat.jpg"]


def test_a_folder_goes_on_after_a_broken_picture(pictures: Path, server: tuple[str, ...], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((pictures / "cat.jpg").read_bytes()[:700])
    done = run("segment", broken, pictures / "cat.jpg", "-o", tmp_path / "out", *server)
    assert done.returncode == 1
    assert (tmp_path / "out" / "cat-mask.png").exists()
    assert b"1 of 2 pictures segmented" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("{p}/cat.jpg", "--classes", "cta"),
        ("{p}/cat.jpg", "--max-side", "9"),
        ("{p}/cat.jpg", "--model", "everday"),
        ("{p}/cat.jpg", "--model", "selfie-256"),
        ("{p}/cat.jpg", "--model", "cifar10", "--format", "overlay"),
        ("nowhere.jpg",),
    ],
)
def test_errors_have_the_words_and_exit_codes_of_the_local_verb(
    pictures: Path, server: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    given = [argument.replace("{p}", str(pictures)) for argument in arguments]
    local, remote = (run("segment", *given, *more) for more in ((), server))
    assert local.returncode > 1
    assert (remote.returncode, remote.stderr) == (local.returncode, local.stderr)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--server", "http://127.0.0.1:1", "--device", "cpu"), "start the server with --device cpu"),
        (("--server", "http://127.0.0.1:1", "--precision", "int8"), "start the server with --precision int8"),
        (("--server", "127.0.0.1:8000"), "http://host:port"),
        (("--key", KEY), "Add --server URL"),
    ],
)
def test_what_a_server_cannot_be_asked_is_refused(pictures: Path, arguments: tuple[str, ...], says: str) -> None:
    done = run("segment", pictures / "cat.jpg", *arguments)
    assert done.returncode == 2
    assert says in done.stderr.decode()


def test_a_server_that_is_not_there(pictures: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        done = run("segment", pictures / "cat.jpg", "--server", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert b"Is the server running" in done.stderr
    assert b"Traceback" not in done.stderr
