"""`metanas arch ...`: show an architecture, list the derived ones of a run, export one as a network.

Torch is imported only by commands that compute with it.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from metanas.base.atomic import write_atomically
from metanas.base.ranges import MANY
from metanas.cli.common import AsJson, Roots, data_root, fail, group, print_rows

app = group("Discrete architectures: show one, list or export those that a run derived.")
Domain = Annotated[str, typer.Option("--domain", help="A domain of the run's suite.")]
Run = Annotated[Path, typer.Argument(help="A run folder.")]
SHAPES = {
    "image 1x28x28": (1, 28, 28),
    "image 3x32x32": (3, 32, 32),
    "text 32": (32,),
    "speech 40x51": (40, 51),
}


@app.command()
def show(
    text: Annotated[
        str,
        typer.Argument(help="'conv3/relu > maxpool3 > fc/relu', C-P-F, or its index in the default space."),
    ],
    svg: Annotated[Path | None, typer.Option(help="File to draw it to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the layers, index, parameters and multiply-accumulates of an architecture."""
    from metanas.models.macs import macs, parameters
    from metanas.space.architecture import DEFAULT_SPACE, parse
    from metanas.space.enumeration import at, member, size
    from metanas.space.picture import picture

    count = size(DEFAULT_SPACE)
    if text.isdecimal() and len(text) > len(str(count)):
        fail(f"the default space has architectures 0..{count - 1}, got a number of {len(text)} digits")
    architecture = at(DEFAULT_SPACE, int(text)) if text.isdecimal() else parse(text)
    index = member(DEFAULT_SPACE, architecture)
    if svg is not None:
        write_atomically(svg, picture(architecture).encode())
    costs = {name: macs(architecture, shape) for name, shape in SHAPES.items()}
    if as_json:
        about = {
            "text": str(architecture),
            "number": index,
            "of": size(DEFAULT_SPACE),
            "parameters": parameters(architecture),
            "macs": costs,
        }
        print(json.dumps({**about, "architecture": json.loads(architecture.to_json())}, indent=1))
        return
    print(architecture)
    position = "not in it" if index is None else f"{index:,}"
    rows = [{"what": f"number, of the default space's {size(DEFAULT_SPACE):,}", "value": position}]
    rows += [{"what": "parameters of layers and exit", "value": f"{parameters(architecture):,}"}]
    rows += [{"what": f"MACs, {name}, 5 ways", "value": f"{value:,}"} for name, value in costs.items()]
    print_rows(rows, ("what", "value"), as_json=False)


@app.command()
def derive(run: Run, domain: Domain, as_json: AsJson = False) -> None:
    """List the architectures of a run for a domain: for each task the one that most episodes were given."""
    from metanas.evaluation.architectures import derived_texts

    if not (run / "architecture.json").exists():
        fail(f"{run / 'architecture.json'} is not there: {run} is not a finished run folder")
    tasks = derived_texts(run)
    rows = [{"task": name, "text": text} for name, text in tasks.items() if name.startswith(f"{domain}/")]
    if not rows:
        fail(f"{run} has no derived architecture for {domain!r}; it has: {', '.join(tasks) or 'none'}")
    print_rows(rows, ("task", "text"), as_json=as_json)


@app.command()
def export(
    run: Run,
    domain: Domain,
    kind: Annotated[
        Literal["onnx", "pt2"] | None,
        typer.Option("--format", help="onnx | pt2. Default: as the file is called, or onnx."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file. Default: in the run folder.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=30_000, help="A seed of the run.")] = 0,
    episode: Annotated[int, typer.Option(min=0, max=MANY, help="The pinned test episode to adapt to.")] = 0,
    root: Roots = None,
) -> None:
    """Adapt to a test episode, derive its architecture with the adapted weights, export and check it."""
    from metanas.models.export import export as write
    from metanas.studies.derive import derived

    net, x = derived(run, domain, seed=seed, episode=episode, root=data_root(root))
    kind = kind or ("pt2" if out and out.suffix == ".pt2" else "onnx")
    path = out or run / f"{domain}-seed{seed}-episode{episode}.{kind}"
    gap = write(net, x, path, kind)
    print(
        f"{path}: {net.architecture}\nlargest difference to PyTorch's logits on {len(x)} queries: {gap:.1e}"
    )
