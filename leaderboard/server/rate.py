"""Rate limit by token buckets, in memory: writes per minute for each account, or address without a token."""

import time
from collections import OrderedDict
from threading import Lock

KEPT = 10_000  # most buckets; the least recently used is dropped


class Rate:
    """A rate limit of `per_minute` uses per key; bursts up to that number are allowed. Thread-safe."""

    def __init__(self, per_minute: int) -> None:
        self._per_second, self._most = per_minute / 60, float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key -> (left, when)
        self._lock = Lock()

    def take(self, key: str, at: float | None = None) -> float:
        """Take one use of `key`. Returns 0.0, or how many seconds to wait if none is left. at: in seconds."""
        moment = time.monotonic() if at is None else at
        with self._lock:
            left, when = self._buckets.pop(key, (self._most, moment))
            left = min(self._most, left + (moment - when) * self._per_second)
            wait = 0.0 if left >= 1 else (1 - left) / self._per_second
            self._buckets[key] = (left - 1 if left >= 1 else left, moment)
            if len(self._buckets) > KEPT:
                self._buckets.popitem(last=False)
        return wait
