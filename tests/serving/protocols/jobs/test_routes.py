"""/v1/jobs of a whole application, and of a real server that is killed."""

import http.client
import json
import random
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.serving.app import create_app
from tests.material import encoded, photo
from tests.serving.live import Server
from tests.serving.protocols.other_model import quick

KEYS = {"ann": "a" * 20, "bob": "b" * 20}
CAT = encoded(photo("chelsea"), "JPEG", (60, 40))


def settings_of(folder: Path, **more: Any) -> Settings:
    keys = tuple(f"{name}:{key}" for name, key in KEYS.items())
    base = {"cache": str(folder), "model": (str(quick(folder)),), "jobs": str(folder / "jobs"), "api_keys": keys}
    return Settings(**(base | more))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of(tmp_path_factory.mktemp("cache")))) as client:
        client.headers["X-API-Key"] = KEYS["ann"]
        yield client


def as_bob() -> dict[str, str]:
    return {"X-API-Key": KEYS["bob"]}


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    """The job at its end, which is waited for by its events."""
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        response.read()
    found: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    assert found["ended"], found
    return found


def send(client: TestClient, job: str = "", **files: bytes) -> dict[str, Any]:
    parts = [("file", (name.replace("_", "."), data)) for name, data in files.items()]
    response = client.post("/v1/jobs", files=parts, data={"job": job} if job else {})
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    assert response.headers["location"] == f"jobs/{found['id']}"
    return found


def test_pictures(client: TestClient) -> None:
    job = send(client, '{"options":{"formats":["mask","json"]}}', cat_jpg=CAT, bad_jpg=b"x")
    assert (job["state"], job["kind"], job["progress"]["total"]) == ("queued", "pictures", None)
    done = ended(client, job["id"])
    assert done["state"] == "succeeded"
    assert done["progress"] == {"done": 2, "failed": 1, "total": 2, "share": 1.0, "left_seconds": None}
    path = f"/v1/jobs/{job['id']}"
    files = {one["name"]: one["bytes"] for one in client.get(f"{path}/files").json()["files"]}
    assert set(files) == {"cat-mask.png", "cat-json.json", "results.jsonl"}
    mask = client.get(f"{path}/files/cat-mask.png")
    assert mask.content == client.post("/v1/segment?format=mask", content=CAT).content
    part = client.get(f"{path}/files/cat-mask.png", headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")
    assert client.get("/v1/status").json()["jobs"]["succeeded"] >= 1
    assert 'maskery_jobs{state="succeeded"}' in client.get("/metrics").text
    lines = [json.loads(line) for line in client.get(f"{path}/result").text.splitlines()]
    assert [line["picture"] for line in lines] == ["bad.jpg", "cat.jpg"]


def test_events_go_on_after_the_last_one_that_was_seen(client: TestClient) -> None:
    job = send(client, cat_jpg=CAT)
    ended(client, job["id"])
    text = client.get(f"/v1/jobs/{job['id']}/events").text
    numbers = [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]
    data = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [data[0]["state"], data[-1]["state"]] == ["queued", "succeeded"]
    rest = client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": str(numbers[-2])}).text
    assert rest.count("id: ") == 1
    assert client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": "x"}).status_code == 400


def test_a_job_of_another_key_does_not_exist(client: TestClient) -> None:
    job = send(client, cat_jpg=CAT)
    ended(client, job["id"])
    path = f"/v1/jobs/{job['id']}"
    for below in ("", "/events", "/files", "/files/cat-mask.png", "/result"):
        assert client.get(path + below, headers=as_bob()).status_code == 404
    assert client.delete(path, headers=as_bob()).status_code == 404
    assert client.post(f"{path}/cancel", headers=as_bob()).status_code == 404
    assert client.get("/v1/jobs", headers=as_bob()).json() == {"jobs": []}
    assert job["id"] in [one["id"] for one in client.get("/v1/jobs").json()["jobs"]]


def test_removed_is_removed(client: TestClient, tmp_path: Path) -> None:
    job = send(client, cat_jpg=CAT)
    ended(client, job["id"])
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 404


def test_a_job_at_work_can_be_cancelled(client: TestClient) -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for i in range(400):
            packed.writestr(f"{i:03}.jpg", CAT)
    response = client.post("/v1/jobs?name=many.zip", content=file.getvalue())
    job = response.json()
    ends = time.monotonic() + 60
    while not client.get(f"/v1/jobs/{job['id']}").json()["progress"]["done"] and time.monotonic() < ends:
        time.sleep(0.05)
    path = f"/v1/jobs/{job['id']}"
    conflict = client.get(f"{path}/result")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "not-finished")
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert ended(client, job["id"])["state"] == "cancelled"
    assert client.get(f"{path}/files").json()["files"]
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert ended(client, send(client, cat_jpg=CAT)["id"])["state"] == "succeeded"  # the next one has its turn


def test_the_same_idempotency_key_is_one_job(client: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = (client.post("/v1/jobs?name=a.jpg", content=CAT, headers=headers).json() for _ in range(2))
    assert first["id"] == again["id"]
    other = client.post("/v1/jobs?name=a.jpg", content=CAT + b"x", headers=headers)
    assert (other.status_code, other.json()["code"]) == (400, "other-request-with-this-key")
    ended(client, first["id"])


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"content": b""}, "no file"),
        ({"json": {"kind": "pictures"}}, "no file"),
        ({"json": {"url": "http://127.0.0.1/x.jpg"}}, "127.0.0.1"),
        ({"json": {"nonsense": 1}}, "nonsense"),
        ({"files": {"file": ("a.jpg", CAT)}, "data": {"job": "{"}}, "understood"),
        ({"files": {"file": ("a.jpg", CAT)}, "data": {"format": "mask"}}, "format"),
        ({"files": {"file": ("a.jpg", CAT)}, "data": {"job": '{"options":{"model":"nobody"}}'}}, "nobody"),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "cut off"),
        ({"content": b"nonsense", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "broken"),
        ({"content": CAT, "headers": {"Idempotency-Key": "x" * 300}}, "300"),
    ],
)
def test_mistakes_have_a_cure_and_leave_nothing(client: TestClient, parts: dict[str, Any], says: str) -> None:
    jobs = client.get("/v1/jobs").json()
    response = client.post("/v1/jobs", **parts)
    assert 400 <= response.status_code < 500, response.text
    assert says in response.text
    assert response.json()["cure"]
    assert client.get("/v1/jobs").json() == jobs
    folder = Path(client.app.state.service.settings.jobs)  # type: ignore[attr-defined]
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {one["id"] for one in jobs["jobs"]}


@pytest.mark.parametrize("name", ["../job.json", "..%2fjob.json", "nothing.png", "%2fetc%2fpasswd"])
def test_only_the_job_s_own_files_are_given(client: TestClient, name: str) -> None:
    job = send(client, cat_jpg=CAT)
    ended(client, job["id"])
    assert client.get(f"/v1/jobs/{job['id']}/files/{name}").status_code == 404


def test_limits(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, job_bytes=1000, max_jobs=2, jobs_disk=1 << 20)
    with TestClient(create_app(settings)) as client:
        client.headers["X-API-Key"] = KEYS["ann"]
        assert client.post("/v1/jobs", content=bytes(1001)).status_code == 413
        runner = client.app.state.service.jobs  # type: ignore[attr-defined]
        runner.store.next = lambda: None  # nothing is begun
        for _ in range(2):
            assert client.post("/v1/jobs", content=b"x").status_code == 202
        busy = client.post("/v1/jobs", content=b"x")
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "30")
        assert client.post("/v1/jobs", content=b"x", headers=as_bob()).status_code == 202
        (tmp_path / "jobs" / "full").mkdir()
        (tmp_path / "jobs" / "full" / "x").write_bytes(bytes(1 << 20))
        assert "MiB" in client.post("/v1/jobs", content=b"x", headers=as_bob()).json()["detail"]


def test_without_a_folder_there_are_no_jobs(tmp_path: Path) -> None:
    with TestClient(create_app(settings_of(tmp_path, jobs="", api_keys=()))) as client:
        assert client.get("/v1/jobs").status_code == 404
        assert "/v1/jobs" not in client.get("/openapi.json").json()["paths"]


def call(port: int, verb: str, path: str, body: bytes = b"") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(verb, path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.slow
def test_ten_kills_of_the_server_leave_the_result_of_an_undisturbed_job(tmp_path: Path) -> None:
    model, rng = quick(tmp_path), random.Random(3)
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for i in range(40):
            packed.writestr(f"{i:02}.jpg", encoded(photo("astronaut")[i:, i:], "JPEG", (48, 40)))

    def start(folder: str) -> Server:
        return Server("--model", str(model), "--jobs", str(tmp_path / folder))

    def results(server: Server, job_id: str) -> dict[str, bytes]:
        files = json.loads(call(server.port, "GET", f"/v1/jobs/{job_id}/files"))["files"]
        return {one["name"]: call(server.port, "GET", f"/v1/jobs/{job_id}/files/{one['name']}") for one in files}

    def wait(server: Server, job_id: str) -> dict[str, Any]:
        call(server.port, "GET", f"/v1/jobs/{job_id}/events")
        found: dict[str, Any] = json.loads(call(server.port, "GET", f"/v1/jobs/{job_id}"))
        return found

    server = start("undisturbed")
    undisturbed = json.loads(call(server.port, "POST", "/v1/jobs?name=p.zip", file.getvalue()))["id"]
    assert wait(server, undisturbed)["state"] == "succeeded"
    expected = results(server, undisturbed)
    server.stop()
    server = start("killed")
    job = json.loads(call(server.port, "POST", "/v1/jobs?name=p.zip", file.getvalue()))["id"]
    kills = 0
    while kills < 10:
        time.sleep(0.3 + rng.random() * 0.7)
        if json.loads(call(server.port, "GET", f"/v1/jobs/{job}"))["ended"]:
            break
        server.kill()
        kills += 1
        server = start("killed")
    assert kills >= 3
    done = wait(server, job)
    assert (done["state"], done["progress"]["done"]) == ("succeeded", 40)
    assert done["attempts"] > kills / 2
    assert results(server, job) == expected
    server.stop()
