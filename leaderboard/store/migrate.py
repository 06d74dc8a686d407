"""The schema's history, run by Alembic from the installed package: no ini file, no command line.

To change the schema, change `models.py`, run `python -m leaderboard.store.migrate "what changes"`, read
the file it writes, and raise `database.HEAD`.
"""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine

FOLDER = Path(__file__).parent / "migrations"


def config(engine: Engine) -> Config:
    """Alembic's settings for this engine."""
    found = Config()
    found.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    found.attributes["engine"] = engine
    return found


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to a revision, in one transaction."""
    command.upgrade(config(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Back to an older revision; "base" leaves nothing."""
    command.downgrade(config(engine), revision)


if __name__ == "__main__":
    scratch = create_engine("sqlite://")
    upgrade(scratch)
    command.revision(config(scratch), sys.argv[1], autogenerate=True)
