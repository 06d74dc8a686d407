"""`metanas state pack RUN`: a meta-trained state with its card, for others to load."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import Roots, data_root, group

app = group("Trained states, for `metanas.load`; `metanas list states` names those of the package.")


@app.command()
def pack(
    run: Annotated[Path, typer.Argument(help="A finished run folder with its checkpoints.")],
    out: Annotated[Path, typer.Option(help="The folder for the state and its card.")],
    seed: Annotated[int, typer.Option(min=0, max=30_000, help="A seed of the run.")] = 0,
    root: Roots = None,
) -> None:
    """Write the meta-trained state of one seed and a card with settings, accuracies and digests."""
    from metanas.studies import states
    from metanas.studies.api import Run

    print(states.pack(Run(run, data_root(root)), seed, out))
