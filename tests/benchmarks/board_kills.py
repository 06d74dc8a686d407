"""200 kills of the server on each database: `python -m tests.benchmarks.board_kills [SQLite] [PostgreSQL]`.

About five minutes each on one busy core.
"""

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.board_machine import machine
from tests.leaderboard import bundles, postgres
from tests.leaderboard.killing import Campaign

KILLS = 200


def main() -> None:
    print(machine(), flush=True)
    wanted = sys.argv[1:] or ["SQLite", "PostgreSQL"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = bundles.members(folder / "run")
        if "SQLite" in wanted:
            sqlite = Campaign(f"sqlite:///{folder}/board.db", folder / "sqlite", files, seed=1)
            print("SQLite:", sqlite.run(KILLS), flush=True)
        if "PostgreSQL" in wanted:
            bin = postgres.programs()
            assert bin is not None, "apt-get install postgresql"
            with postgres.server(bin) as host, postgres.database(host, 1) as url:
                print("PostgreSQL:", Campaign(url, folder / "postgresql", files, seed=2).run(KILLS))


if __name__ == "__main__":
    main()
