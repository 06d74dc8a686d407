import numpy as np
import pytest
from scipy import stats as oracle
from sklearn.metrics import f1_score, log_loss

from metanas.evaluation.result import Answers
from metanas.evaluation.scores import Scores, calibration_error, score, score_task
from tests.runs import TASKS

RANDOM = np.random.default_rng(0)


def answers(task: int = 0, seeds: int = 2) -> Answers:
    """Random answers to the first task of the tiny suite, right more often than not."""
    about = TASKS[task]
    labels = np.stack([RANDOM.permutation(np.arange(15) % 5) for _ in range(about.episodes)])
    logits = RANDOM.normal(size=(seeds, about.episodes, 15, 5)) + 1.5 * np.eye(5)[labels]
    p = np.exp(logits)
    stored = (p / p.sum(-1, keepdims=True)).astype(np.float16).astype(np.float32)
    return Answers(about, stored.argmax(-1), stored, labels)


def test_macro_f1_and_log_loss_equal_scikit_learns() -> None:
    found = answers()
    ours = score_task(found)
    for seed in range(2):
        for episode in range(5):
            truth, p = found.labels[episode], found.probabilities[seed, episode].astype(np.float64)
            said = found.predicted[seed, episode]
            assert ours.macro_f1[seed, episode] == pytest.approx(f1_score(truth, said, average="macro"))
            expected = log_loss(truth, p / p.sum(-1, keepdims=True))
            assert ours.log_loss[seed, episode] == pytest.approx(expected, rel=1e-5)
            assert ours.accuracy[seed, episode] == np.mean(truth == said)


def test_chance_is_0_and_perfect_is_1() -> None:
    found = score_task(answers())
    for accuracy, normalised in ((0.2, 0.0), (1.0, 1.0), (0.0, -0.25)):
        made = type(found)(found.task, np.array([[accuracy]]), found.macro_f1, found.log_loss, found.ece)
        assert made.chance_normalised == pytest.approx(np.array([[normalised]]))


def test_the_calibration_error_is_the_gap_of_a_constant_forecast_and_0_for_a_true_one() -> None:
    right = RANDOM.random(100_000) < 0.7
    assert calibration_error(np.full(100_000, 0.9), right) == pytest.approx(0.9 - right.mean(), abs=1e-9)
    confidence = RANDOM.uniform(0.2, 1, 200_000)
    assert calibration_error(confidence, RANDOM.random(200_000) < confidence) < 0.01


def test_the_calibration_error_equals_a_loop_over_bins() -> None:
    confidence, right = RANDOM.uniform(0.2, 1, 1000), RANDOM.random(1000) < 0.6
    total = 0.0
    for b in range(15):
        inside = (confidence >= b / 15) & (confidence < (b + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(confidence, right) == pytest.approx(total)


def test_a_zero_probability_costs_what_float16_could_not_hold() -> None:
    found = answers(seeds=1)
    wrong = np.zeros_like(found.probabilities)
    np.put_along_axis(wrong, ((found.labels + 1) % 5)[None, ..., None], 1.0, axis=-1)
    made = score_task(Answers(found.task, wrong.argmax(-1), wrong, found.labels))
    assert made.log_loss == pytest.approx(np.full((1, 20), 24 * np.log(2)), rel=1e-5)


def test_summaries_are_of_domains_alike() -> None:
    found = score({"digits/5w1s": answers(0), "spoken-words/5w1s": answers(1)})
    by_task = {name: t.accuracy.mean() for name, t in found.tasks.items()}
    assert found.mean().mean == pytest.approx(np.mean(list(by_task.values())))
    assert found.worst_domain == (min(by_task, key=by_task.__getitem__).split("/")[0], min(by_task.values()))
    values = np.concatenate([t.chance_normalised.mean(1) for t in found.tasks.values()])
    assert found.iqm == oracle.trim_mean(values, 0.25)
    assert set(found.beside()) == {"bootstrap", "seeds"}
    one = Scores({"digits/5w1s": score_task(answers(seeds=1))})
    assert set(one.beside()) == {"bootstrap"}
