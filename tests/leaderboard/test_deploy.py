"""deploy/: every file is well-formed, and what it runs, copies and listens on is there."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from leaderboard.bundle.names import MIB, ZIP_MOST
from metanas.cli import admin
from tests.rooms import ROOT
from tests.test_docs import fault

DEPLOY = ROOT / "deploy"
UNITS = sorted(path for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer"))


def _commands(text: str) -> list[list[str]]:
    """The calls of metanas in a file."""
    found = re.findall(r"metanas leaderboard ([a-z][^'\n\"]*)", text)
    return [["leaderboard", *words.split()] for words in found]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_read_and_their_commands_exist(unit: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    assert "Unit" in parser and ("Service" in parser or "Timer" in parser)
    for words in _commands(unit.read_text()):
        assert not fault(words), words
    if shutil.which("systemd-analyze"):
        found = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
        lines = [line for line in found.stderr.splitlines() if unit.name in line]
        assert not [line for line in lines if "is not executable" not in line], found.stderr


def test_a_server_is_ended_only_after_it_has_had_its_time() -> None:
    assert int(re.findall(r"TimeoutStopSec=(\d+)", (DEPLOY / "metanas-board.service").read_text())[0]) > 10
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["board"]
    assert int(service["stop_grace_period"].removesuffix("s")) > admin.STOP_SECONDS


def test_compose_serves_with_options_that_exist_on_this_machine_alone() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert not fault(["leaderboard", *services["board"]["command"]])
    assert services["board"]["ports"] == ["127.0.0.1:8000:8000"] and "ports" not in services["database"]
    assert services["board"]["environment"]["FORWARDED_ALLOW_IPS"] == "*"  # else all visitors are one address
    assert (
        DEPLOY / services["board"]["build"]["context"] / services["board"]["build"]["dockerfile"]
    ).is_file()


def test_the_image_copies_what_is_there_and_runs_without_rights() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY")]
    assert all((ROOT / path).exists() for paths in copied for path in paths) and copied
    known = "FROM RUN WORKDIR COPY USER ENV VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD".split()
    assert {line.split()[0] for line in lines if line and line[0] not in "# "} <= set(known)
    assert lines.index("USER board") < next(
        i for i, line in enumerate(lines) if line.startswith("ENTRYPOINT")
    )
    (serve,) = (line.removeprefix("CMD ") for line in lines if line.startswith("CMD"))
    assert not fault(["leaderboard", *yaml.safe_load(serve)])


@pytest.mark.parametrize(
    ("name", "size"), [("nginx.conf", r"client_max_body_size (\d+)m"), ("Caddyfile", r"max_size (\d+)MB")]
)
def test_proxies_let_a_bundle_through_and_show_no_metrics(name: str, size: str) -> None:
    text = (DEPLOY / name).read_text()
    assert text.count("{") == text.count("}")
    assert ZIP_MOST < int(re.findall(size, text)[0]) * MIB <= ZIP_MOST + 2 * MIB
    assert "8001" not in text and "127.0.0.1:8000" in text


@pytest.mark.skipif(shutil.which("docker") is None, reason="NOT RUN: no docker")
def test_docker_reads_the_compose_file() -> None:
    words = ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    found = subprocess.run(
        words, capture_output=True, text=True, env={"BOARD_PASSWORD": "x", "PATH": "/usr/bin:/usr/local/bin"}
    )
    if "unknown shorthand flag" in found.stderr or "is not a docker command" in found.stderr:
        pytest.skip("NOT RUN: docker without compose")
    assert found.returncode == 0, found.stderr
