"""The runner of jobs: what goes wrong with one job is that job's alone."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from maskery.core.settings import Settings
from maskery.jobs.job_store import Job, NewJob, new_id
from maskery.serving.runtime import job_runner
from maskery.serving.runtime.job_runner import ATTEMPTS, JobRunner


@pytest.fixture
def runner(tmp_path: Path) -> JobRunner:
    return JobRunner(Settings(jobs=str(tmp_path / "jobs")))


async def submitted(runner: JobRunner, script: str) -> Job:
    """A job whose process runs ``script``."""
    new = NewJob(id=new_id(), owner="", kind="pictures", request=b"{}", digest=script, bytes=0)
    folder = runner.store.folder_of(new.id)
    folder.mkdir(parents=True)
    (folder / "script.py").write_text(script)
    return await runner.submit(new)


def run(runner: JobRunner, monkeypatch: pytest.MonkeyPatch, body: Callable[[], Awaitable[None]]) -> None:
    """``body`` beside the runner, whose processes run the script in the job's folder."""
    start = asyncio.create_subprocess_exec

    async def scripted(*command: str, **how: object) -> asyncio.subprocess.Process:
        return await start(sys.executable, f"{command[-1]}/script.py", **how)  # type: ignore[arg-type]

    monkeypatch.setattr(job_runner.asyncio, "create_subprocess_exec", scripted)

    async def both() -> None:
        working = asyncio.ensure_future(runner.run())
        try:
            await asyncio.wait_for(asyncio.ensure_future(body()), 60)
            assert not working.done()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    asyncio.run(both())


async def ended(runner: JobRunner, job: Job) -> Job:
    async for _ in runner.events(job, 0, patience=1):
        pass
    return runner.store.get(job.id, "")


FINE = 'print(\'{"done":1,"failed":0,"total":1,"left_s":0.0}\')'


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("print('no JSON')", "internal-error"),
        ("print('{}')", "internal-error"),
        ("print('x' * 3_000_000)", "internal-error"),
        ('print(\'{"problem":{"code":"c","detail":"d","cure":"e"}}\'); raise SystemExit(1)', "c"),
        ("import os; os.kill(os.getpid(), 9)", "job-died"),
    ],
)
def test_a_job_that_goes_wrong_fails_alone(
    runner: JobRunner, monkeypatch: pytest.MonkeyPatch, script: str, code: str
) -> None:
    async def body() -> None:
        bad, good = await submitted(runner, script), await submitted(runner, FINE)
        found = await ended(runner, bad)
        assert (found.state, (found.problem or {})["code"]) == ("failed", code)
        assert found.attempts == (ATTEMPTS if code == "job-died" else 1)
        assert (await ended(runner, good)).state == "succeeded"

    run(runner, monkeypatch, body)


def test_half_a_line_of_a_killed_process_is_passed_over(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"{FINE}\nimport os, sys\nsys.stdout.write('{{\"done')\nsys.stdout.flush()\nos.kill(os.getpid(), 9)"

    async def body() -> None:
        job = await ended(runner, await submitted(runner, script))
        assert ((job.problem or {})["code"], job.done) == ("job-died", 1)

    run(runner, monkeypatch, body)


def test_a_job_that_is_removed_at_work_leaves_the_next_one_its_turn(
    runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        slow = await submitted(runner, f"import time\n{FINE[:-1]}, flush=True)\ntime.sleep(60)")
        while not runner.store.get(slow.id, "").done:
            await asyncio.sleep(0.02)
        await runner.cancel(slow.id)
        runner.store.remove(slow.id)
        assert (await ended(runner, await submitted(runner, FINE))).state == "succeeded"

    run(runner, monkeypatch, body)
