"""Jobs by the client, of a real server."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from maskery.core.errors import BadRequest, RemoteError, Unauthorized, UnknownJob
from maskery.integrations.client import Client
from maskery.integrations.remote_jobs import RemoteJobs
from tests.cli.test_main import run
from tests.material import encoded, photo
from tests.serving.live import Server
from tests.serving.protocols.other_model import quick

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    running = Server("--model", str(quick(folder)), "--jobs", str(folder / "jobs"), MASKERY_API_KEYS=f"me:{KEY}")
    yield f"http://127.0.0.1:{running.port}"
    running.stop()


@pytest.fixture
def jobs(server: str) -> Iterator[RemoteJobs]:
    with Client(server, KEY) as client:
        yield client.jobs


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "cat.jpg", tmp_path / "dog.jpg"]
    for path in paths:
        path.write_bytes(encoded(photo("chelsea"), "JPEG", (60, 40)))
    return paths


def test_from_sending_to_fetching(jobs: RemoteJobs, pictures: list[Path], tmp_path: Path) -> None:
    job = jobs.submit(pictures, options={"formats": ["mask"]}, idempotency="first")
    assert jobs.submit(pictures, options={"formats": ["mask"]}, idempotency="first")["id"] == job["id"]
    states = [event["state"] for event in jobs.watch(job["id"])]
    assert (states[0], states[-1]) == ("queued", "succeeded")
    assert jobs.wait(job["id"])["progress"]["done"] == 2
    assert job["id"] in [one["id"] for one in jobs.all()]
    paths = jobs.fetch(job["id"], tmp_path / "out")
    assert sorted(path.name for path in paths) == ["cat-mask.png", "dog-mask.png", "results.jsonl"]
    assert {path.name: path.stat().st_size for path in paths} == jobs.files(job["id"])
    times = [path.stat().st_mtime_ns for path in paths]
    assert [path.stat().st_mtime_ns for path in jobs.fetch(job["id"], tmp_path / "out")] == times
    jobs.remove(job["id"])
    with pytest.raises(UnknownJob):
        jobs.get(job["id"])


def test_what_goes_wrong(server: str, jobs: RemoteJobs, pictures: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="formats"):
        jobs.submit(pictures, options={"format": "mask"})
    with pytest.raises(BadRequest, match=r"nothing\.jpg"):
        jobs.submit([tmp_path / "nothing.jpg"])
    with pytest.raises(UnknownJob):
        list(jobs.watch("nothing"))
    with Client(server, "another key, not known") as other, pytest.raises(Unauthorized):
        other.jobs.all()
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(RemoteError, match="did not answer"):
        nobody.jobs.all()


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"files": [{"name": "../evil", "bytes": 1}]})

    http = httpx2.Client(transport=httpx2.MockTransport(answer), base_url="http://x/")
    with http, pytest.raises(RemoteError, match="evil"):
        RemoteJobs(http).fetch("job", tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_the_command(server: str, pictures: list[Path], tmp_path: Path) -> None:
    where = ("--server", server, "--key", KEY)
    done = run("jobs", "submit", *pictures, *where, "--format", "mask", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    job = done.stdout.decode().strip()
    assert b"succeeded: 2 done, 0 failed" in done.stderr
    assert (tmp_path / "out" / "cat-mask.png").is_file()
    assert job in run("jobs", "list", *where).stdout.decode()
    assert run("jobs", "watch", job, *where).returncode == 0
    assert b"is removed" in run("jobs", "cancel", job, *where, "--remove").stderr
    wrong = run("jobs", "submit", *pictures, *where, "--set", "format=mask")
    assert (wrong.returncode, b"formats" in wrong.stderr) == (2, True)
