"""Ctrl-C that always ends a command: KeyboardInterrupt first, then the process itself if that got lost.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a destructor or a callback of a
library it is printed and forgotten, elsewhere it may be turned into another error. Then the command goes on.
Ending at once loses nothing: all files are written atomically, and workers end with their parent.
"""

import os
import signal
import sys
import threading
import time
from types import FrameType

GRACE = 15.0  # seconds until the process ends itself
MESSAGE = "metanas: interrupted; run the same command again to go on from the last checkpoint"
_asked = threading.Event()


def listen() -> None:
    """Handle Ctrl-C in this process from now on. Call it in the main thread."""
    signal.signal(signal.SIGINT, _on_interrupt)


def asked() -> bool:
    """Whether Ctrl-C was pressed."""
    return _asked.is_set()


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    if not asked():
        _asked.set()
        threading.Thread(target=_end, name="interrupt", daemon=True).start()
    signal.default_int_handler(number, frame)


def _end() -> None:
    time.sleep(GRACE)
    print(MESSAGE, file=sys.stderr, flush=True)
    os._exit(130)
