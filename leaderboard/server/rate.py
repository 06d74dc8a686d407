"""Token buckets in memory: so many writes a minute for each token, or each address without one."""

import time
from collections import OrderedDict
from threading import Lock

KEPT = 10_000  # buckets; the least recently used is forgotten


class Rate:
    """`take` answers how many seconds to wait; 0 means go on."""

    def __init__(self, per_minute: int) -> None:
        self._per_second, self._most = per_minute / 60, float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key -> (left, when)
        self._lock = Lock()

    def take(self, key: str, at: float | None = None) -> float:
        """One use by `key`."""
        moment = time.monotonic() if at is None else at
        with self._lock:
            left, when = self._buckets.pop(key, (self._most, moment))
            left = min(self._most, left + (moment - when) * self._per_second)
            wait = 0.0 if left >= 1 else (1 - left) / self._per_second
            self._buckets[key] = (left - 1 if left >= 1 else left, moment)
            if len(self._buckets) > KEPT:
                self._buckets.popitem(last=False)
        return wait
