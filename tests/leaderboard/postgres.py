"""A PostgreSQL server of the tests' own: made from Debian's package, reached through a socket, thrown away.

PostgreSQL refuses to run as root, so as root it runs as the user "postgres".
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The folder with initdb and pg_ctl; the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    where = shutil.which("initdb")
    return Path(where).parent if where else None


@contextmanager
def server(bin: Path, *, durable: bool = True) -> Iterator[str]:
    """A running server; yields the folder of its socket, which is also its host name.

    durable: False saves time where the machine's own crash is not tested; a killed client loses nothing.
    """
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="metanas-pg-", dir="/tmp"))  # short: a socket's path is limited
    if user:
        shutil.chown(folder, user)

    def run(*words: str | Path) -> None:
        done = subprocess.run(words, user=user, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    data = folder / "data"
    run(bin / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c max_connections=300"
    if not durable:
        options += " -c fsync=off -c full_page_writes=off"
    run(bin / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    try:
        yield str(folder)
    finally:
        run(bin / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@contextmanager
def database(host: str, number: int, template: str = "template1") -> Iterator[str]:
    """A database like `template`, empty by default; yields its URL."""
    import psycopg

    name = f"board{number}"
    with psycopg.connect(host=host, user="tester", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type, unused-ignore]
        yield f"postgresql://tester@/{name}?host={host}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type, unused-ignore]
