"""The trials of `metanas tune` on a database server, which the board's tests have running."""

import multiprocessing
import time

import optuna

from metanas.studies.tune import _create_study
from tests.leaderboard import postgres


def created(url: str, moment: float) -> int:
    time.sleep(max(0.0, moment - time.time()))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return len(_create_study(study_name="one", storage=url, load_if_exists=True).trials)


def test_processes_that_first_use_a_database_server_at_once_do_not_collide(postgres_host: str) -> None:
    with postgres.database(postgres_host, 20_000) as url:
        words = [(url.replace("postgresql:", "postgresql+psycopg:"), time.time() + 0.5)] * 4
        with multiprocessing.get_context("fork").Pool(4) as pool:  # forked: all at the same moment
            assert pool.starmap(created, words, chunksize=1) == [0] * 4
