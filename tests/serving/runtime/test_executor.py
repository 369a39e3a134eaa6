"""One seam for all executors: what each protocol submits is data, and another process gives the same answer."""

import json
import multiprocessing
import pickle
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.errors import Busy, PictureError
from maskery.core.plan import Plan
from maskery.core.result.capabilities import Result
from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.serving.app import create_app
from maskery.serving.protocols.native.segment_answer import EncodedAnswer
from maskery.serving.protocols.registry import PROTOCOLS, WRITERS
from maskery.serving.runtime.executor import ThreadExecutor, run_group
from maskery.serving.runtime.request import AnswerSpec, InferenceJob, Writer, writers_by_name
from maskery.serving.runtime.scheduler import JobResult
from maskery.serving.runtime.service import InferenceService
from tests.inference.prompts.toy_prompt import write_toy
from tests.material import encoded, photo
from tests.serving.protocols.label_studio.requests import BRUSH as SMART
from tests.serving.protocols.label_studio.requests import data_url, predict, predict_one
from tests.serving.protocols.open_inference.wire import infer_bytes
from tests.serving.runtime.spawned import work

CAT = encoded(photo("chelsea"), "JPEG")


class Recorder:
    """An executor that keeps each job with its result, as another one gives it."""

    def __init__(self, inner: ThreadExecutor) -> None:
        self.inner, self.done = inner, list[tuple[InferenceJob, JobResult]]()

    def submit(self, jobs: Sequence[InferenceJob]) -> "Future[list[JobResult]]":
        future = self.inner.submit(jobs)
        future.add_done_callback(lambda done: self.done.extend(zip(jobs, done.result(), strict=True)))
        return future

    def cancel(self, job_id: int) -> None:
        self.inner.cancel(job_id)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """With a model that takes clicks."""
    cache = tmp_path_factory.mktemp("cache")
    write_toy(cache / "models" / "toy-prompt")
    return Settings(cache=str(cache))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def service(client: TestClient) -> InferenceService:
    found: InferenceService = client.app.state.service  # type: ignore[attr-defined]
    return found


@pytest.fixture
def recorder(service: InferenceService, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(service.executor)  # type: ignore[arg-type]
    monkeypatch.setattr(service, "executor", recorder)
    return recorder


@pytest.fixture(scope="module")
def another_process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def plain(value: Any) -> Any:
    """A writer's value as something that can be compared; answers say in milliseconds how long they took."""
    if isinstance(value, EncodedAnswer):
        body = json.loads(value.body) if value.body.startswith(b"{") else value.body
        return ({**body, "timings_ms": None} if isinstance(body, dict) else body), value.plan
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {name: bytes(one) if isinstance(one, msgspec.Raw) else one for name, one in value.items()}
    return value


CLICK = {"result": [{"type": "keypointlabels", "value": {"x": 22, "y": 33, "keypointlabels": ["cat"]}}]}
REQUESTS: dict[str, Callable[[TestClient], Any]] = {
    "native:candidates": lambda client: client.post("/v1/interact?model=toy-prompt&points=99,99", content=CAT),
    "native:warm": lambda client: client.post("/v1/interact?model=toy-prompt", content=CAT),
    "native:file": lambda client: client.post("/v1/segment", content=CAT),
    "max:fields": lambda client: client.post("/model/predict", files={"image": CAT}),
    "open-inference:outputs": lambda client: infer_bytes(client, CAT),
    "hugging-face:masks": lambda client: client.post("/hf/everyday", content=CAT),
    "rembg:png": lambda client: client.post("/api/remove", files={"file": CAT}),
    "detect:png": lambda client: client.post("/detect", files={"file": CAT}),
    "label-studio:smart": lambda client: predict(
        client, SMART, {"image": data_url(CAT)}, prefix="/label-studio/models/toy-prompt", context=CLICK
    ),
    "cvat:mask": lambda client: client.post(
        "/cvat/models/toy-prompt", json={"image": b64encode(CAT).decode(), "pos_points": [[99, 99]], "neg_points": []}
    ),
    "cvat:detections": lambda client: client.post("/cvat/models/everyday", json={"image": b64encode(CAT).decode()}),
    "label-studio:regions": lambda client: predict_one(client, CAT),
}


def test_every_protocol_has_a_writer_and_a_request_here() -> None:
    assert set(REQUESTS) == set(WRITERS)
    assert set(PROTOCOLS) - {name.partition(":")[0] for name in WRITERS} <= {"jobs"}, "jobs write their own answers"


@pytest.mark.parametrize("writer", REQUESTS)
def test_a_job_of_each_protocol_gives_the_same_bytes_in_another_process(
    client: TestClient, recorder: Recorder, another_process: ProcessPoolExecutor, writer: str, settings: Settings
) -> None:
    assert REQUESTS[writer](client).status_code in (200, 202)
    ((job, here),) = recorder.done
    assert job.answer.writer == writer
    (there,) = another_process.submit(work, settings, [job]).result(60)
    assert there.error is None
    assert plain(there.value) == plain(here.value)
    assert there.shares == here.shares
    assert set(there.timings_ms) == set(here.timings_ms)


def test_all_native_formats_that_draw_pickle_too(
    client: TestClient, recorder: Recorder, another_process: ProcessPoolExecutor, settings: Settings
) -> None:
    for query in ("format=overlay", "format=summary", "format=json&tile=150", "format=cutout&classes=cat"):
        assert client.post(f"/v1/segment?{query}", content=CAT).status_code == 200
        job, here = recorder.done[-1]
        (there,) = another_process.submit(work, settings, [job]).result(60)
        assert plain(there.value) == plain(here.value)


def test_a_failure_comes_back_with_its_words_and_alone(
    client: TestClient, recorder: Recorder, another_process: ProcessPoolExecutor, settings: Settings
) -> None:
    for content in (CAT, CAT[: len(CAT) // 2]):
        client.post("/v1/segment?format=mask", content=content)
    (whole, here), (broken, failed) = recorder.done
    assert isinstance(failed.error, PictureError)
    results = another_process.submit(work, settings, [whole, broken]).result(60)
    assert plain(results[0].value)[0] == plain(here.value)[0]
    assert isinstance(results[1].error, PictureError)
    assert results[1].error.args == failed.error.args
    assert [result.batch for result in results] == [1, 0]


def test_an_error_keeps_what_it_carries() -> None:
    error = pickle.loads(pickle.dumps(Busy("No room.", "Wait.", 7)))
    assert (error.message, error.cure, error.retry_after) == ("No room.", "Wait.", 7)


def test_a_cancelled_job_stops_at_its_next_tile(
    client: TestClient, recorder: Recorder, service: InferenceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.post("/v1/segment?format=mask&tile=60", content=CAT).status_code == 200
    ((job, _),) = recorder.done
    started, go, original = threading.Event(), threading.Event(), Model.follow

    def held(model: Model, plan: Plan, *arguments: Any) -> Result:
        started.set()
        go.wait(10)
        return original(model, plan, *arguments)  # type: ignore[return-value]

    monkeypatch.setattr(Model, "follow", held)
    executor = ThreadExecutor(1, service.pool.loaded, WRITERS)
    executor.cancel(job.id)  # without effect: it does not run
    future = executor.submit([job])
    assert started.wait(10)
    executor.cancel(job.id)
    go.set()
    (result,) = future.result(10)
    assert isinstance(result.error, Busy)
    executor.cancel(job.id)
    assert executor._cancelled == {}
    executor.close()


def test_the_time_in_the_queue_and_behind_others_of_the_group_is_one_stage(
    client: TestClient, recorder: Recorder, service: InferenceService
) -> None:
    client.post("/v1/segment?format=mask", content=CAT)
    ((job, _),) = recorder.done
    slow = Writer("test:slow", lambda outcome, options: time.sleep(0.01))
    jobs = [replace(job, queued_ms=1000.0, answer=AnswerSpec("test:slow")) for _ in range(3)]
    results = run_group(jobs, service.pool.loaded(job.model), writers_by_name(slow))
    queued = [result.timings_ms["queue"] for result in results]
    assert queued == sorted(queued)
    assert 1000 <= queued[0] < queued[2] < 2000
    assert [result.batch for result in results] == [3, 3, 3]


def test_a_name_that_occurs_twice_is_refused() -> None:
    writer = Writer("test:x", lambda outcome, options: None)
    with pytest.raises(ValueError, match="Two writers have one name"):
        writers_by_name(writer, writer)
