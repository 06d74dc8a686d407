"""The line that every benchmark of the board prints first: when, and on what."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def machine() -> str:
    """Date, processor, cores, load."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {cpu}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )
