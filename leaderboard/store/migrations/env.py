"""Alembic runs this file; it migrates the engine that `migrate.py` passes, one process at a time."""

from alembic import context
from sqlalchemy import text

from leaderboard.store.models import Base

ONE_AT_A_TIME = 0x6D6E6173  # any number that no other program locks in this database

with context.config.attributes["engine"].execution_options(write=True).connect() as connection:
    if connection.dialect.name == "postgresql":  # SQLite's writers exclude each other anyway
        connection.execute(text(f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})"))
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
