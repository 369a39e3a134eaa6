import anyio
import pytest
from starlette.types import Message

from maskery.core.errors import Busy, TooLarge
from maskery.serving.http.body_quota import FREE_BYTES, BodyQuota, apart, hold


def ask(body_quota: BodyQuota, *bodies: int) -> None:
    """One request with bodies of so many bytes."""
    parts = [bytes(size) for size in bodies]

    async def receive() -> Message:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Message) -> None:
        raise AssertionError

    async def call() -> None:
        await body_quota({"type": "http"}, receive, send)

    anyio.run(call)


class Reader:
    """An application that reads all bodies, and notes what was held at most."""

    def __init__(self) -> None:
        self.body_quota = BodyQuota(self, 3 * FREE_BYTES)
        self.most = 0

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        more = True
        while more:
            more = (await receive())["more_body"]  # type: ignore[operator]
            self.most = max(self.most, self.body_quota.held)


def test_all_callers_together_are_bounded() -> None:
    reader = Reader()
    ask(reader.body_quota, FREE_BYTES, FREE_BYTES)
    assert (reader.most, reader.body_quota.held) == (2 * FREE_BYTES, 0)
    reader.body_quota.held = 2 * FREE_BYTES  # by others
    with pytest.raises(Busy):
        ask(reader.body_quota, FREE_BYTES, 1)
    assert reader.body_quota.held == 2 * FREE_BYTES


def test_small_requests_are_taken_while_others_fill_the_room() -> None:
    reader = Reader()
    reader.body_quota.held = 3 * FREE_BYTES
    ask(reader.body_quota, FREE_BYTES)
    assert reader.body_quota.held == 3 * FREE_BYTES


def test_bytes_from_elsewhere_count_until_the_answer() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        hold(FREE_BYTES)
        assert body_quota.held == FREE_BYTES
        with pytest.raises(TooLarge):
            hold(3 * FREE_BYTES)  # could never wait here
        body_quota.held += FREE_BYTES  # of another request
        with pytest.raises(Busy):
            hold(FREE_BYTES)
        body_quota.held -= FREE_BYTES
        tasks.start_soon(late)

    async def late() -> None:
        await answered.wait()
        hold(FREE_BYTES)  # of a request that is over

    async def main() -> None:
        nonlocal tasks
        async with anyio.create_task_group() as tasks:
            await body_quota({"type": "http"}, unused, unused)
            assert body_quota.held == 0
            answered.set()
        assert body_quota.held == 0

    async def unused(*_: object) -> Message:
        raise AssertionError

    tasks: anyio.abc.TaskGroup
    answered = anyio.Event()
    body_quota = BodyQuota(app, 2 * FREE_BYTES)
    anyio.run(main)


def test_outside_of_a_request_nothing_is_counted() -> None:
    hold(1 << 40)


def test_bytes_of_one_picture_of_many_are_let_go_with_it() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        hold(FREE_BYTES)
        for _ in range(10):
            with apart():
                hold(FREE_BYTES)
                assert body_quota.held == 2 * FREE_BYTES
        assert body_quota.held == FREE_BYTES

    async def unused(*_: object) -> Message:
        raise AssertionError

    body_quota = BodyQuota(app, 2 * FREE_BYTES)
    anyio.run(body_quota, {"type": "http"}, unused, unused)
    assert body_quota.held == 0
    with apart():
        hold(1 << 40)
