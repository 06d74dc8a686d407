"""The hardware, the package versions and the git commit that a result was computed with."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch


def environment() -> dict[str, str]:
    """Package versions and hardware, as text by name: what seconds and last digits may depend on."""
    import psutil

    packages = {name: version(name) for name in ("torch", "numpy", "metanas")}
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    return {
        **packages,
        "python": platform.python_version(),
        "os": f"{platform.system()} {platform.machine()}",
        "cpu": f"{cpu_name()}, {os.cpu_count()} cores, {memory}",
        "threads": str(torch.get_num_threads()),
        "device": "cpu",  # `engine/runtime.py` says which other, where there is one
        "precision": "float32",
    }


def arithmetic(device: str) -> str:
    """The precision of matrix products now, in the name of a measurement; nothing for float32."""
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return f" {torch.get_autocast_dtype(device)}"
    return "" if torch.get_float32_matmul_precision() == "highest" else " tf32"


def cpu_name() -> str:
    """The processor's model name from /proc/cpuinfo, or its architecture where there is no such file."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def revision(root: Path) -> tuple[str, bool] | None:
    """The git commit checked out at `root` and whether files differ from it; None if it is not a checkout."""
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return commit, bool(_git(root, "status", "--porcelain").strip())
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout
