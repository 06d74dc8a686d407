"""Score `method.py` on sealed episodes: tasks drawn after it was trained, whose labels it never gets.

    python examples/agent_task/score.py [--dry-run] [--method FILE] [--minutes 30]

Training and answering run in processes of their own under one time limit; this one keeps the secret.
"""

import argparse
import runpy
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from metanas.data import sealed
from metanas.data.episode import EpisodeShape
from metanas.data.sealed import SealedTask

HERE = Path(__file__).parent
CHANCE = 20.0


def asked(options: argparse.Namespace) -> list[SealedTask]:
    """The tasks to answer: every scored domain at 1 and 5 shots."""
    return [
        SealedTask(domain, EpisodeShape(5, shots, 15), options.episodes)
        for domain in options.domains.split(",")
        for shots in (1, 5)
    ]


def train(options: argparse.Namespace, run: Path) -> None:
    """In a process of its own: meta-train the method of the file."""
    import metanas

    settings = runpy.run_path(str(options.method))["TRAINING"]
    shown = {"budget.eval_episodes": 2}  # the pinned test episodes are no part of the score
    metanas.run("agent", "mini-v1", seeds=[0], budget=options.budget, settings=settings | shown, out=run)


def answer(options: argparse.Namespace, run: Path) -> None:
    """In a process of its own: answer the drawn tasks."""
    from metanas.studies.answer_sealed import predict

    runpy.run_path(str(options.method))
    predict(run, run / "episodes.safetensors", asked(options), run / "answers.parquet", None)


def validate(options: argparse.Namespace, run: Path) -> None:
    """In a process of its own: print the accuracy on meta-validation classes."""
    import metanas

    runpy.run_path(str(options.method))
    trained = metanas.load_run(run)
    learner, means = trained.learner(seed=0), []
    for task in asked(options):
        shape = task.shape
        tasks = trained.data[task.domain].tasks(
            "meta-validation", ways=shape.ways, shots=shape.shots, queries=shape.queries
        )
        right = []
        for index in range(task.episodes):
            episode = tasks[index]
            predicted = learner.adapt(episode.support, domain=task.domain).predict(episode.query).argmax(-1)
            right.append(float((predicted == episode.query.y).float().mean()))
        means.append(100 * float(np.mean(right)))
        print(f"{task.name}: {means[-1]:.1f} on meta-validation classes")
    print(f"not a score: {np.mean(means):.1f}")


def accuracies(options: argparse.Namespace, run: Path, secret: int) -> dict[str, float]:
    """Accuracy in % of each task's answers, from the secret's labels."""
    from metanas.evaluation.result import SCHEMA, read_table

    rows = read_table(run / "answers.parquet", SCHEMA).to_pandas().sort_values(["episode", "query"])
    true = {task.name: sealed.labels(secret, task).ravel() for task in asked(options)}
    return {
        name: 100 * float((rows[rows["task"] == name]["prediction"].to_numpy() == labels).mean())
        for name, labels in true.items()
    }


def step(name: str, options: argparse.Namespace, run: Path, until: float) -> None:
    """Run a step in a process of its own. TimeoutExpired, CalledProcessError."""
    words = [f"--{key}={getattr(options, key)}" for key in ("method", "episodes", "domains", "budget")]
    command = [sys.executable, __file__, f"--step={name}", f"--run={run}", *words]
    subprocess.run(command, check=True, timeout=max(1.0, until - time.monotonic()))


def main() -> None:
    """Train, draw, answer, score; print one line per task and the score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", type=Path, default=HERE / "method.py")
    parser.add_argument("--minutes", type=float, default=30.0, help="For training and answering together.")
    parser.add_argument("--episodes", type=int, default=100, help="Tasks of each kind.")
    parser.add_argument("--domains", default="langid,spoken-words", help="Those whose classes can be made.")
    parser.add_argument("--budget", default="small")
    parser.add_argument("--dry-run", action="store_true", help="Meta-validation classes; no score.")
    parser.add_argument("--step", choices=("train", "answer", "validate"), help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        {"train": train, "answer": answer, "validate": validate}[options.step](options, options.run)
        return
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        try:
            step("train", options, run, until)
            if options.dry_run:
                step("validate", options, run, until)
                return
            secret = secrets.randbits(64)
            sealed.write(run / "episodes.safetensors", secret, asked(options))
            step("answer", options, run, until)
        except subprocess.TimeoutExpired:
            print(f"not finished after {options.minutes:g} minutes\nscore: {CHANCE:.1f}")
            return
        except subprocess.CalledProcessError as error:
            sys.exit(f"the method failed (exit code {error.returncode}); no score")
        scores = accuracies(options, run, secret)
    for name, accuracy in scores.items():
        print(f"{name}: {accuracy:.1f} on {options.episodes} sealed tasks")
    print(f"score: {np.mean(list(scores.values())):.1f}")


if __name__ == "__main__":
    main()
