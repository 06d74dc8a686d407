"""`metanas arch ...`: discrete architectures. Torch is imported only where something is computed."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from metanas.commands.common import AsJson, Root, fail, group, print_rows

app = group("Discrete architectures: show one, derive and export a run's.")
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
        typer.Argument(help="'conv3/relu > maxpool3 > fc/relu', C-P-F, or a number in the default space."),
    ],
    svg: Annotated[Path | None, typer.Option(help="Draw it here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Layers, number, parameters and multiply-accumulates of an architecture, and its picture."""
    from metanas.supernet.architecture import USUAL, parse
    from metanas.supernet.index import at, member, size

    found = at(USUAL, int(text)) if text.isdecimal() else parse(text)
    place = member(USUAL, found)
    if svg is not None:
        svg.write_text(found.to_svg(), encoding="utf-8")
    macs = {name: found.macs(shape) for name, shape in SHAPES.items()}
    if as_json:
        about = {
            "text": str(found),
            "number": place,
            "of": size(USUAL),
            "parameters": found.parameters(),
            "macs": macs,
        }
        print(json.dumps({**about, "architecture": json.loads(found.to_json())}, indent=1))
        return
    print(found)
    shown = "not in it" if place is None else f"{place:,}"
    rows = [{"what": f"number, of the default space's {size(USUAL):,}", "value": shown}]
    rows += [{"what": "parameters of layers and exit", "value": f"{found.parameters():,}"}]
    rows += [{"what": f"MACs, {name}, 5 ways", "value": f"{value:,}"} for name, value in macs.items()]
    print_rows(rows, ("what", "value"), as_json=False)


@app.command()
def derive(run: Run, domain: Domain, as_json: AsJson = False) -> None:
    """The architectures derived from the mean adapted choices of a run, one per task of the domain."""
    path = run / "architecture.json"
    if not path.exists():
        fail(f"{path} is not there: {run} is not a finished run folder")
    tasks = json.loads(path.read_text(encoding="utf-8"))["tasks"]
    found = [{"task": name, "text": t["text"]} for name, t in tasks.items() if name.startswith(f"{domain}/")]
    if not found:
        fail(f"{run} has no derived architecture for {domain!r}; it has: {', '.join(tasks) or 'none'}")
    print_rows(found, ("task", "text"), as_json=as_json)


@app.command()
def export(
    run: Run,
    domain: Domain,
    kind: Annotated[Literal["onnx", "pt2"], typer.Option("--format", help="onnx | pt2")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="The file. Default: in the run folder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the run's seeds.")] = 0,
    episode: Annotated[int, typer.Option(min=0, help="The pinned test episode to adapt to.")] = 0,
    root: Root = None,
) -> None:
    """Adapt to one test episode, derive its architecture with the adapted weights, write and check it."""
    from metanas.derived import derived
    from metanas.supernet.export import export as write

    net, x = derived(run, domain, seed=seed, episode=episode, root=root)
    path = out or run / f"{domain}-seed{seed}-episode{episode}.{kind}"
    gap = write(net, x, path, kind)
    print(
        f"{path}: {net.architecture}\nlargest difference to PyTorch's logits on {len(x)} queries: {gap:.1e}"
    )
