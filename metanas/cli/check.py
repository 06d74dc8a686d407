"""`metanas check KIND NAME`: the contract of a domain, method, network or op, a line a rule."""

import warnings
from typing import Annotated, Any

import typer

from metanas.cli.common import AsJson, Roots, data_root, fail, print_rows, show_traceback


def check(
    kind: Annotated[str, typer.Argument(help="domain | method | network | op")],
    name: Annotated[str, typer.Argument(help="Its name, as `metanas list` shows it.")],
    domain: Annotated[
        str, typer.Option(help="Of a method: the domain on whose tasks. Default: one that it takes.")
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Of a method, as for `metanas run`; of a network: weights=FILE."),
    ] = None,
    root: Roots = None,
    as_json: AsJson = False,
) -> None:
    """Check a plug-in, yours or a built-in one, against its contract; exit code 2 if it breaks a rule.

    A line for each rule: `ok`, `-` where it does not apply (and why), or `failed` with what is wrong.
    metanas.testing has the same checks for the tests of your package.
    """
    from metanas import testing
    from metanas.engine.config import parse_overrides

    warnings.simplefilter("ignore", FutureWarning)  # of torch's own imports
    found = testing.checks(
        kind, name, domain=domain, root=data_root(root), settings=parse_overrides(overrides or ())
    )
    rows: list[dict[str, Any]] = []
    for one in found:
        outcome = one.outcome()
        rows.append({"check": one.name, "state": outcome.state, "rule": one.rule, "detail": outcome.detail})
        if not as_json:
            print(f"{outcome.state:<7} {one.rule}{outcome.detail and f' ({outcome.detail})'}", flush=True)
        if outcome.state == "failed" and outcome.error is not None:
            show_traceback(outcome.error)
    if as_json:
        print_rows(rows, (), as_json=True)
    if bad := [row["check"] for row in rows if row["state"] == "failed"]:
        fail(f"{kind} {name} breaks {len(bad)} of {len(rows)} rules: {', '.join(bad)}")
