"""/v1/jobs: send, look, watch, fetch, cancel."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, ConfigError, NotFinished, UnknownJob
from maskery.core.files import writing
from maskery.jobs.job_request import JobRequest, parse_request, write_job_file
from maskery.jobs.job_store import Job, NewJob, new_id
from maskery.models.store import Store, is_path
from maskery.serving.http.body import is_form, read_unpacked
from maskery.serving.http.json_body import json_response
from maskery.serving.http.problems import MEDIA_TYPE, Problem
from maskery.serving.protocols.base import (
    JSON,
    FormSpec,
    Operation,
    ParameterSpec,
    Protocol,
    ResponseSpec,
    binary,
    get,
    json_answer,
)
from maskery.serving.protocols.envelope import problem_envelope
from maskery.serving.protocols.jobs.documents import JobDocument, JobFiles, JobList, document_of, files_of
from maskery.serving.protocols.jobs.upload import UploadFolder, receive_body, receive_form
from maskery.serving.runtime.job_runner import JobRunner
from maskery.serving.runtime.request import Writer
from maskery.serving.runtime.service import InferenceService

WRITERS: dict[str, Writer[object, object]] = {}
"""Answers of jobs are files."""
JOB = "/v1/jobs/{job}"
IDLE_S = 30.0
KEY_LENGTH = 200
EVENTS = "text/event-stream"


def protocol(service: InferenceService) -> Protocol:
    """Served where the settings name a folder for jobs. Raises ``ConfigError`` where they name only the protocol."""
    if service.jobs is None:
        raise ConfigError("protocols has jobs, but there is no folder for them.", "Add --jobs FOLDER (MASKERY_JOBS).")
    endpoints = JobEndpoints(service, service.jobs)
    return Protocol(
        name="jobs",
        tag="jobs",
        operations=_operations(endpoints, service.settings.job_bytes),
        envelope=problem_envelope,
        problem=Problem,
        problem_type=MEDIA_TYPE,
        answers_options=False,
    )


class JobEndpoints:
    """What answers each path. A job of another key does not exist."""

    def __init__(self, service: InferenceService, runner: JobRunner) -> None:
        self._service, self._runner = service, runner

    async def submit(self, request: Request) -> Response:
        """Take the files to the disk, check what is asked, queue it."""
        runner, owner = self._runner, _owner(request)
        key = request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= KEY_LENGTH:
            raise BadRequest(f"The Idempotency-Key has {len(key)} characters.", f"Send 1 to {KEY_LENGTH}.")
        announced = request.headers.get("content-length", "")
        await runner.expect_room(owner, int(announced) if announced.isdigit() else 0)
        job_id = new_id()
        folder = runner.store.folder_of(job_id)
        try:
            with writing(folder):
                (folder / "in").mkdir(parents=True)
            upload = UploadFolder(folder / "in", self._service.settings.job_bytes)
            asked = await self._received(request, upload)
            model = await self._checked(asked)
            with writing(folder):
                write_job_file(folder, asked, model, self._service.settings)
            text = msgspec.json.encode(asked)
            new = NewJob(
                id=job_id,
                owner=owner,
                kind=asked.kind,
                request=text,
                digest=f"{upload.digest} {text.decode()}",
                bytes=upload.bytes,
                idempotency=key,
            )
            job = await runner.submit(new)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if job.id != job_id:  # it was sent before
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
        return json_response(document_of(job), 202, {"Location": f"jobs/{job.id}"})

    async def jobs(self, request: Request) -> Response:
        """The caller's own."""
        found = await anyio.to_thread.run_sync(self._runner.store.of, _owner(request))
        return json_response(JobList([document_of(job) for job in found]))

    async def job(self, request: Request) -> Response:
        """One of them."""
        return json_response(document_of(await self._job(request)))

    async def remove(self, request: Request) -> Response:
        """Cancel a job that has not ended, and remove all that is kept of it."""
        job = await self._job(request)
        await self._runner.cancel(job.id)
        await anyio.to_thread.run_sync(self._runner.store.remove, job.id)
        return Response(status_code=204)

    async def cancel(self, request: Request) -> Response:
        """Cancel a job that has not ended; what it has written stays."""
        job = await self._job(request)
        return json_response(document_of(await self._runner.cancel(job.id)))

    async def events(self, request: Request) -> Response:
        """Server-sent events, from the one after Last-Event-ID on, until the job has ended."""
        job, last = await self._job(request), request.headers.get("last-event-id", "0")
        if not last.isascii() or not last.isdigit() or len(last) > 12:
            raise BadRequest(f"Last-Event-ID is {last[:40]!r}.", "Send the id of an event, or none.")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(job, int(last)), media_type=EVENTS, headers=headers)

    async def _stream(self, job: Job, last: int) -> AsyncIterator[bytes]:
        async for event in self._runner.events(job, last):
            if event is None:
                yield b": still here\n\n"
            else:
                yield b"id: %d\ndata: %s\n\n" % (event.number, event.data)

    async def files(self, request: Request) -> Response:
        """What the job has written."""
        job = await self._job(request)
        return json_response(await anyio.to_thread.run_sync(files_of, self._out(job)))

    async def file(self, request: Request) -> Response:
        """One of the files; ranges are served."""
        job, name = await self._job(request), request.path_params["name"]
        return await self._file(job, name)

    async def result(self, request: Request) -> Response:
        """The one file that says most: of pictures the lines of results, of a video the first of its formats."""
        job = await self._job(request)
        if job.state != "succeeded":
            cure = "See its problem." if job.has_ended else "Wait until it has succeeded; /files lists what there is."
            raise NotFinished(f"The job is {job.state}.", cure)
        if job.kind == "pictures":
            return await self._file(job, "results.jsonl")
        formats = msgspec.json.decode(job.request, type=JobRequest).video().formats
        found = (await anyio.to_thread.run_sync(files_of, self._out(job))).files
        best = next((one.name for one in found if one.name.endswith(f".{formats[0]}")), found[0].name if found else "")
        return await self._file(job, best)

    async def _file(self, job: Job, name: str) -> Response:
        listed = await anyio.to_thread.run_sync(files_of, self._out(job))
        if name not in {one.name for one in listed.files}:
            raise UnknownJob(f"The job has no file {name[:200]!r}.", f"GET /v1/jobs/{job.id}/files lists them.")
        return FileResponse(self._out(job) / name, headers={"Cache-Control": "private, no-cache"})

    def _out(self, job: Job) -> Path:
        return self._runner.store.folder_of(job.id) / "out"

    async def _job(self, request: Request) -> Job:
        return await anyio.to_thread.run_sync(self._runner.store.get, request.path_params["job"], _owner(request))

    async def _received(self, request: Request, upload: UploadFolder) -> JobRequest:
        if is_form(request):
            await receive_form(request, upload, IDLE_S)
            for name in upload.fields.keys() - {"job"}:
                raise BadRequest(f"The form has a field {name!r}.", "Send files, and what is to be done as field job.")
            asked = parse_request(upload.fields.get("job", b""))
        elif request.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON:
            asked = parse_request(await read_unpacked(request, self._service.settings))
        else:
            asked = parse_request(request.query_params.get("job", "").encode())
            await receive_body(request, upload, request.query_params.get("name", "file"), IDLE_S)
        if asked.url is not None:
            data = await self._service.fetch(asked.url)
            await anyio.to_thread.run_sync(_keep, upload, asked.url, data)
        if not upload.files:
            raise BadRequest("The job has no file.", "Send files, or an address as url.")
        return asked

    async def _checked(self, asked: JobRequest) -> str:
        """The model, as another process finds it. Raises as ``InferenceService.card``, ``BadRequest``."""
        card = await self._service.card(asked.model)
        asked.check(card, self._service.settings.max_pixels)
        return await anyio.to_thread.run_sync(self._name_for_all, card)

    def _name_for_all(self, card: ModelCard) -> str:
        """What a model is called in another process: the path of an operator's own, else its name."""
        store = Store(self._service.settings)
        paths = [name for name in self._service.settings.model if is_path(name)]
        return next((path for path in paths if store.locate(path).card == card), card.name)


def _keep(upload: UploadFolder, url: str, data: bytes) -> None:
    upload.begin(url.partition("?")[0])
    upload.write(data)
    upload.end()


def _owner(request: Request) -> str:
    """Whose key it is; "" on a server without keys."""
    return str(request.scope.get("state", {}).get("holder") or "")


def _operations(endpoints: JobEndpoints, max_bytes: int) -> tuple[Operation, ...]:
    one, missing = json_answer(JobDocument), (404,)
    in_form = ParameterSpec(name="job", text="What is to be done.", kind=JobRequest)
    upload = {
        "multipart/form-data": FormSpec("file", (in_form,)),
        JSON: JobRequest,
        "application/octet-stream": binary("application/octet-stream", max_bytes),
    }
    name = ParameterSpec(name="name", text="The file's name, of a plain body.")
    asked = ParameterSpec(name="job", text="What is to be done, a JobRequest as JSON, of a plain body.")
    key = ParameterSpec(name="Idempotency-Key", text="The same one twice is one job.", place="header")
    last = ParameterSpec(name="Last-Event-ID", text="Events after this one.", place="header")
    stream = {200: ResponseSpec("The events, one JSON object each.", {EVENTS: str})}
    data = {200: ResponseSpec("The file.", {"application/octet-stream": binary("application/octet-stream")})}
    submit = Operation(
        verb="POST",
        path="/v1/jobs",
        handler=endpoints.submit,
        summary="Send pictures, a zip of them or a video to be worked on.",
        answers=json_answer(JobDocument, "Queued.", 202),
        problems=(400, 404, 408, 413, 424, 503),
        parameters=(asked, name, key),
        body=upload,
    )
    reads = (
        ("/v1/jobs", endpoints.jobs, "Your jobs, newest first.", json_answer(JobList), (), ()),
        (JOB, endpoints.job, "How a job stands.", one, (), missing),
        (JOB + "/events", endpoints.events, "Progress as server-sent events.", stream, (last,), (400, 404)),
        (JOB + "/result", endpoints.result, "The one file that says most.", data, (), (404, 409)),
        (JOB + "/files", endpoints.files, "The files that it has written.", json_answer(JobFiles), (), missing),
        (JOB + "/files/{name:path}", endpoints.file, "One of them; ranges are served.", data, (), missing),
    )
    gone = {204: ResponseSpec("It is gone.")}
    ends: tuple[Operation, ...] = (
        Operation(
            verb="DELETE", path=JOB, handler=endpoints.remove, summary="End it, and remove its files.", answers=gone
        ),
        Operation(
            verb="POST", path=JOB + "/cancel", handler=endpoints.cancel, summary="End it, keep its files.", answers=one
        ),
    )
    return (submit, *(get(*read) for read in reads), *(replace(end, problems=missing) for end in ends))
