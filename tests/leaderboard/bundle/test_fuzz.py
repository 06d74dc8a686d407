"""Bundles made by accident: each is valid or refused with a sentence; nothing crashes or hangs.

METANAS_FUZZ_SEED gives other ones, METANAS_LONG 20,000 of them. What decodes Parquet runs in forked
processes with the scorer's limits, as on the server: there a crash of the Parquet library costs one job,
here it is counted.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard.bundle import reading, rules, strict_json
from leaderboard.bundle.names import Members
from leaderboard.bundle.pack import to_zip
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring import fork_server
from leaderboard.scoring.validate import inspect, validate
from leaderboard.store.models import Submission
from tests.leaderboard import bundles, fuzzing
from tests.leaderboard.serving import LONG, served

SEED = int(os.environ.get("METANAS_FUZZ_SEED", "1"))
LIMITS = {"open_files": 64, "cpu_seconds": 120, "wall_seconds": 240}
MEMORY = 2 * 2**30  # more than the test process has, as a scorer may use
FRESH = "METANAS_FRESH_PROCESS"  # set where a test runs itself in a process of its own
ITSELF = "test_changed_parquet_files_are_scored_or_refused_and_never_hang"
ROOT = Path(__file__).parents[3]
SLOW = 10.0  # seconds that no bundle may take
ZIPS = 9_000 if LONG else 1_500  # of each kind
TABLES = 2_000 if LONG else 400
POSTS = 150 if LONG else 60  # of all kinds


@pytest.fixture(scope="module")
def good() -> Members:
    return bundles.resealed({**bundles.good(), "README.md": b""}, README_md=b"# Hello")


@pytest.mark.parametrize("kind", [fuzzing.byte_mutant, fuzzing.json_mutant])
def test_changed_zips_and_json_are_valid_or_refused_with_a_sentence(good: Members, kind: object) -> None:
    make, r = kind(good), random.Random(SEED)  # type: ignore[operator]
    outcomes = {True: 0, False: 0}
    for _ in range(ZIPS):
        mutant, started = make(r), time.monotonic()
        try:
            inspect(reading.read_zip(mutant))
            outcomes[True] += 1
        except BundleError as error:
            assert error.problems and all(problem.message for problem in error.problems)
            outcomes[False] += 1
        assert time.monotonic() - started < SLOW
    assert outcomes[False] > ZIPS / 2, "most are broken"
    print(outcomes)


def test_changed_parquet_files_are_scored_or_refused_and_never_hang(good: Members) -> None:
    """In a process of its own, since it forks: what other tests loaded must not be in the child."""
    if FRESH not in os.environ:
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{ITSELF}"]
        done = subprocess.run(words, env={**os.environ, FRESH: "1"}, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stdout
        return
    outcomes = {b"v": 0, b"r": 0, b"!": 0}
    first = 0
    while first < TABLES:
        answers = _scored(good, first, TABLES)
        for answer in answers:
            outcomes[bytes([answer])] += 1
        first += len(answers)
        if first < TABLES:  # the process died of the next one
            outcomes[b"!"] += 1
            first += 1
    print({"valid": outcomes[b"v"], "refused": outcomes[b"r"], "killed its scorer": outcomes[b"!"]})
    assert outcomes[b"r"] > TABLES / 2
    assert outcomes[b"!"] < TABLES / 100, "the Parquet library crashes too often for a sandbox"


def _scored(good: Members, first: int, last: int) -> bytes:
    """One letter per bundle until the process ends: v valid, r refused; X an error that is not expected."""
    ours, theirs = os.pipe()
    known, make = rules.known(), fuzzing.parquet_mutant(good)
    validate(reading.read_zip(to_zip(good)), known)  # imports what cannot be imported without a file system
    if (process := os.fork()) == 0:
        try:
            have = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            fork_server.give_up({**LIMITS, "memory_bytes": have + MEMORY})
            for number in range(first, last):
                mutant, started = make(random.Random(SEED * 1_000_003 + number)), time.monotonic()
                try:
                    validate(reading.read_zip(mutant), known)
                    os.write(theirs, b"v")
                except BundleError:
                    os.write(theirs, b"r" if time.monotonic() - started < SLOW else b"X")
        except BaseException as error:
            os.write(2, f"bundle {number}: {error!r}\n".encode())
            os.write(theirs, b"X")
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        found = pipe.read()
    os.waitpid(process, 0)
    assert b"X" not in found, "an error that is not a BundleError, or too slow; see above"
    return found


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300 if LONG else 100, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=VALUE, raw=st.binary(max_size=200))
def test_any_json_is_read_or_refused(value: object, raw: bytes) -> None:
    for content in (json.dumps(value).encode(), raw):
        try:
            assert isinstance(strict_json.parse("entry.json", content), dict)
        except BundleError as error:
            assert error.problems


def test_the_server_answers_all_kinds_without_a_mistake_of_its_own(
    good: Members, url: str, tmp_path: Path
) -> None:
    r = random.Random(SEED)
    kinds = [kind(good) for kind in (fuzzing.byte_mutant, fuzzing.json_mutant, fuzzing.parquet_mutant)]
    with served(url, tmp_path / "data") as server:
        for i in range(POSTS):
            answer = server.post(kinds[i % 3](r))
            assert answer.status_code in (202, 409, 422), answer.text
        waiting = server.context.store
        server.work()
        with waiting.database.read() as session:
            states = {row.state for row in session.query(Submission)}
        assert states <= {"published", "rejected", "flagged", "failed"}
