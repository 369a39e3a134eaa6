"""The store of jobs: whose they are, in which order they come, what a kill leaves."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskery.core.errors import ConfigError, UnknownJob
from maskery.jobs.job_store import EVENTS_KEPT, JobStore, NewJob, RepeatedJob, bytes_below, new_id


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs")
    yield store
    store.close()


def new(owner: str = "", digest: str = "d", idempotency: str | None = None) -> NewJob:
    return NewJob(
        id=new_id(), owner=owner, kind="pictures", request=b"{}", digest=digest, bytes=5, idempotency=idempotency
    )


def test_names_cannot_be_guessed() -> None:
    names = {new_id() for _ in range(200)}
    assert len(names) == 200
    assert {len(name) for name in names} == {22}


def test_a_job_goes_its_way(store: JobStore) -> None:
    job = store.add(new())
    assert (job.state, job.started, job.attempts) == ("queued", None, 0)
    running = store.next()
    assert running is not None
    assert (running.id, running.state, running.attempts) == (job.id, "running", 1)
    assert store.next() is None
    store.progress(job.id, 3, 1, 10, 2.5)
    store.count(job.id, {"lines": {"a": 1}})
    now = store.get(job.id, "")
    assert (now.done, now.failed, now.total, now.left_s, now.counts) == (3, 1, 10, 2.5, {"lines": {"a": 1}})
    ended = store.end(job.id, "failed", {"code": "c", "detail": "d", "cure": "e"})
    assert (ended.state, ended.has_ended, ended.problem) == ("failed", True, {"code": "c", "detail": "d", "cure": "e"})
    assert store.end(job.id, "succeeded").state == "failed"  # the first end counts
    store.progress(job.id, 9, 9, 9, None)
    assert store.get(job.id, "").done == 3


def test_a_job_of_somebody_else_does_not_exist(store: JobStore) -> None:
    mine, other = store.add(new("me")), store.add(new("you"))
    assert [job.id for job in store.of("me")] == [mine.id]
    for name in (other.id, "nonsense"):
        with pytest.raises(UnknownJob, match=name):
            store.get(name, "me")


def test_who_has_had_fewest_comes_first(store: JobStore) -> None:
    many = [store.add(new("many")).id for _ in range(3)]
    few = store.add(new("few")).id
    order = [job.id for _ in range(4) if (job := store.next())]
    assert order == [many[0], few, many[1], many[2]]


def test_the_same_key_is_one_job(store: JobStore) -> None:
    first = store.add(new("me", idempotency="k"))
    assert store.add(new("me", idempotency="k")).id == first.id
    assert store.add(new("you", idempotency="k")).id != first.id
    with pytest.raises(RepeatedJob):
        store.add(new("me", digest="other", idempotency="k"))
    assert len(store.of("me")) == 1


def test_what_ran_when_the_process_died_is_queued_again(store: JobStore) -> None:
    job = store.add(new())
    store.next()
    again = JobStore(store.folder)
    assert again.requeue() == 1
    found = again.next()
    assert found is not None
    assert (found.id, found.attempts) == (job.id, 2)
    again.close()


def test_events_are_numbered_and_bounded(store: JobStore) -> None:
    job, other = store.add(new()), store.add(new())
    assert [store.note(job.id, {"done": i}).number for i in range(3)] == [1, 2, 3]
    assert store.note(other.id, {}).number == 1
    assert [event.number for event in store.events(job.id, 1)] == [2, 3]
    for i in range(EVENTS_KEPT):
        store.note(job.id, {"done": i})
    kept = store.events(job.id, 0)
    assert len(kept) == EVENTS_KEPT
    assert kept[-1].number == EVENTS_KEPT + 3


def test_old_jobs_go_with_their_files(store: JobStore) -> None:
    old, young, running = (store.add(new()).id for _ in range(3))
    for job_id in (old, young, running, "upload-of-a-killed-process"):
        folder = store.folder_of(job_id) / "out"
        folder.mkdir(parents=True)
        (folder / "x").write_bytes(b"12345")
    store.end(old, "succeeded")
    time.sleep(0.01)
    before = time.time()
    store.end(young, "succeeded")
    os.utime(store.folder_of("upload-of-a-killed-process"), (1, 1))
    assert bytes_below([store.folder_of(young)]) == 5
    assert store.expire(before) == [old]
    assert sorted(path.name for path in store.folder.iterdir() if path.is_dir()) == sorted((young, running))
    assert {job.id for job in store.of("")} == {young, running}
    assert store.states() == {"queued": 1, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0}


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--jobs"):
        JobStore(tmp_path / "file")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "jobs.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigError, match="--jobs"):
        JobStore(tmp_path / "broken")
