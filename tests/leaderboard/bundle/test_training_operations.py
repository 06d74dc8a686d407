"""A track by training operations: who spends more than its budget, or does not say what, is refused."""

import pytest

from leaderboard.bundle.rules import known, problems
from metanas.evaluation import result
from tests.leaderboard import bundles


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> result.Submission:
    return bundles.run(tmp_path_factory.mktemp("runs") / "m", budget="small-2T")


@pytest.mark.parametrize(("spent", "refused"), [(None, True), (2.0e12, False), (2.1e12, True)])
def test_training_operations_beyond_the_budget_are_refused(
    made: result.Submission, spent: float | None, refused: bool
) -> None:
    costs = made.costs.model_copy(update={"train_flops": None if spent is None else int(spent)})
    found = [problem.field for problem in problems(made.model_copy(update={"costs": costs}), known())]
    assert ("costs.train_flops" in found) == refused
    assert "budget" not in found
