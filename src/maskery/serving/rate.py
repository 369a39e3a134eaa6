"""How often somebody may ask."""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable

from maskery.errors import ConfigError

MOST_BUCKETS = 10_000
# So many seconds or tokens are none: sums of fractions miss whole numbers by less.
TINY = 1e-6
SECONDS = {"s": 1, "m": 60, "h": 3600}
_FORM = re.compile(r"([1-9][0-9]{0,5})/([smh])")


class Buckets:
    """Token buckets, one for each asker: ``count`` at once, refilled evenly over the period.

    The ``MOST_BUCKETS`` askers seen last are remembered; one who was forgotten starts with a full bucket.
    """

    def __init__(self, limit: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``limit``: "10/s", "600/m", "1000/h". Raises ``ConfigError`` for another form."""
        form = _FORM.fullmatch(limit)
        if form is None:
            raise ConfigError(f"rate_limit is {limit!r}.", "Write 10/s, 600/m or 1000/h; empty means no limit.")
        self._count = int(form[1])
        self._per_second = self._count / SECONDS[form[2]]
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, asker: str) -> int:
        """Take one: 0, or, when the bucket is empty, the whole seconds after which there is one again."""
        now = self._clock()
        tokens, since = self._buckets.pop(asker, (float(self._count), now))
        tokens = min(self._count, tokens + (now - since) * self._per_second)
        wait = 0 if tokens >= 1 - TINY else math.ceil((1 - tokens) / self._per_second - TINY)
        self._buckets[asker] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return wait
