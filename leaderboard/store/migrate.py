"""Schema migrations, run by Alembic from within the package: no ini file, no alembic command.

To change the schema, change `models.py`, run `python -m leaderboard.store.migrate "what changes"`, review
the file that it writes to `migrations/versions/`, and raise `database.HEAD`.
"""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine

FOLDER = Path(__file__).parent / "migrations"


def config(engine: Engine) -> Config:
    """Alembic's settings for this engine."""
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    settings.attributes["engine"] = engine
    return settings


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate the schema up to a revision, in one transaction."""
    command.upgrade(config(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate the schema back to an older revision; "base" drops all tables."""
    command.downgrade(config(engine), revision)


if __name__ == "__main__":
    scratch = create_engine("sqlite://")
    upgrade(scratch)
    command.revision(config(scratch), sys.argv[1], autogenerate=True)
