"""The lowest versions that pyproject.toml allows: printed as requirements, and a short check that they work.

    python -m tests.lowest > lowest.txt          # name==lowest for every dependency
    python -m venv .venv-lowest && .venv-lowest/bin/pip install -r lowest.txt
    .venv-lowest/bin/python -m tests.lowest --check     # list, run, adapt, compare: a minute on two cores

`make lowest` does all three. Nothing here needs the development tools.
"""

import re
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,]+\])?>=(?P<lowest>[\w.]+)")
SMALL = {
    "space.ops": ["conv3", "attn", "gru", "fc"],  # attn is what older versions of torch stumble over
    "space.layers": 2,
    "space.channels": 8,
    "suite.shots": [1],
    "suite.queries": 3,
    "budget.iterations": 2,
    "budget.tasks": 2,
    "budget.eval_episodes": 4,
}


def lowest(requirements: list[str]) -> list[str]:
    """Exact pins of the lower bounds. ValueError for a requirement without one."""
    pins = []
    for text in requirements:
        if not (found := _BOUND.match(text)):
            raise ValueError(f"{text!r} has no lower bound; write name>=version")
        pins.append(f"{found['name']}=={found['lowest']}")
    return pins


def dependencies() -> list[str]:
    """What pyproject.toml requires of everyone."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    required: list[str] = tomllib.loads(text)["project"]["dependencies"]
    return required


def check() -> None:
    """Train, test, adapt and compare two methods on two modalities, in a folder of its own."""
    import torch

    import metanas

    print(f"Python {sys.version.split()[0]}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            metanas.run(
                method,
                "mini-v1",
                domains=["digits", "langid"],
                seeds=[0],
                budget="smoke",
                out=Path(folder) / method,
                settings=SMALL | settings,
            )
            for method, settings in (("maml", {"batching": "vmap"}), ("protonet", {}))
        ]
        task = runs[0].data["digits"].tasks("meta-test", ways=5, shots=1, queries=3)[0]
        adapted = runs[0].learner(seed=0).adapt(task.support)
        probabilities = adapted.predict(task.query)
        if probabilities.shape != (1, 15, 5) or not torch.isfinite(probabilities).all():
            raise SystemExit(f"wrong probabilities of shape {tuple(probabilities.shape)}")
        print(metanas.compare(runs).methods().to_pydict())


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    else:
        print("\n".join(lowest(dependencies())))
