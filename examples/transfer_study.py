"""A transfer study: does meta-training on languages help on digits, and the other way round?

    python examples/transfer_study.py

One row per set of meta-training domains, one column per test domain. The command line has the same with all
its variants: `metanas transfer --method protonet --train loo`. The `smoke` budget shows how it works only.
"""

from pathlib import Path

from rich.console import Console

from metanas.engine.config import resolve
from metanas.evaluation import tables
from metanas.evaluation.transfer import read
from metanas.studies import transfer

folder = Path("runs/transfer")
config = resolve("protonet", "mini-v1", budget="smoke", domains=("digits", "langid"), seeds=(0,))
pieces = transfer.plan(config, ["digits,langid"], (), ("both",), folder, None)
for piece in pieces:  # each is resumed if it was begun
    transfer.work(piece, lambda *progress: None)
transfer.finish(pieces)
console = Console()
for table in tables.transfer(read(folder)):
    console.print(*tables.terminal(table, console.width), sep="\n")
