import pytest

from maskery.core.errors import ConfigError
from maskery.serving.middleware.access import MOST_BUCKETS, Buckets


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_full_bucket_and_then_its_rate(clock: Clock) -> None:
    buckets = Buckets("3/s", clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]
    clock.now += 0.34
    assert [buckets.take("a") for _ in range(2)] == [0, 1]
    clock.now += 100
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]


@pytest.mark.parametrize(("limit", "seconds"), [("1/s", 1), ("1/m", 60), ("2/m", 30), ("1/h", 3600), ("7/m", 9)])
def test_the_wait_is_long_enough_and_not_longer(clock: Clock, limit: str, seconds: int) -> None:
    buckets = Buckets(limit, clock)
    while not (wait := buckets.take("a")):
        pass
    assert wait == seconds
    clock.now += wait - 1
    assert buckets.take("a") == 1
    clock.now += 1
    assert buckets.take("a") == 0


def test_each_has_a_bucket(clock: Clock) -> None:
    buckets = Buckets("1/h", clock)
    assert [buckets.take(name) for name in ("a", "b", "a", "b")] == [0, 0, 3600, 3600]


def test_memory_is_bounded_and_the_last_seen_are_remembered(clock: Clock) -> None:
    buckets = Buckets("1/h", clock)
    for n in range(MOST_BUCKETS + 500):
        buckets.take("often")
        buckets.take(f"once {n}")
    assert len(buckets) == MOST_BUCKETS
    assert buckets.take("often") == 3600
    assert buckets.take("once 0") == 0


def test_a_clock_that_stands_still_or_starts_at_zero(clock: Clock) -> None:
    clock.now = 0.0
    buckets = Buckets("1/s", clock)
    assert [buckets.take("a"), buckets.take("a")] == [0, 1]


@pytest.mark.parametrize(
    "limit", ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/d", "10 / s", "1000000/s", "\uff11/s"]
)
def test_other_forms_are_errors(limit: str) -> None:
    with pytest.raises(ConfigError, match="rate_limit"):
        Buckets(limit)
