"""docs/operate.md, followed: its `sh` blocks in one shell, in their order, with a real server."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.rooms import ROOT

PAGE = ROOT / "docs" / "operate.md"


@pytest.mark.slow  # fifteen programs, one after the other
def test_an_administrator_s_hour(tmp_path: Path) -> None:
    first, *rest = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(rest) == 3
    port, counts = free_port(), free_port()
    first = first.replace("8000", str(port)).replace("8001", str(counts))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "metanas"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m metanas "$@"\n')
    program.chmod(0o755)
    ready = f"until curl -sf http://127.0.0.1:{port}/readyz > ready; do sleep 0.1; done\n"
    ready += f"curl -sf http://127.0.0.1:{counts}/metrics > counts\n"
    ready += f"curl -s http://127.0.0.1:{port}/metrics > hidden\n"
    script = (
        "set -e\n" + first + "server=$!\ntrap 'kill -9 $server 2> /dev/null' EXIT\n" + ready + "".join(rest)
    )
    script += "kill -TERM $server; wait $server || true; trap - EXIT\n"
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    begin = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as they were" in done.stdout and time.monotonic() - begin < 240
    assert "metanas_audit_links" in (tmp_path / "counts").read_text()
    assert "metanas_audit_links" not in (tmp_path / "hidden").read_text()
    log = [json.loads(line) for line in (tmp_path / "board.log").read_text().splitlines() if line[0] == "{"]
    assert {"/readyz", "/metrics"} <= {line.get("path") for line in log}
    assert (tmp_path / "restored.db").exists() and (tmp_path / "alice.token").read_text().startswith("mnas_")
