"""Paper rows: every one is readable and runnable, and verdicts say what they should."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from metanas.base.registry import UnknownName
from metanas.cli.app import app
from metanas.engine.config import read, resolve, write
from metanas.studies.paper_rows import Figure, Row, load, names, verdict

REPRODUCED = Path(__file__).parents[2] / "docs" / "reproduced"


@pytest.mark.parametrize("name", names())
def test_every_row_resolves_at_every_scale_and_publishes_figures_of_its_own_tasks(
    name: str, tmp_path: Path
) -> None:
    row = load(name)
    assert set(row.scales) == {"paper", "small"}
    for setup in row.scales.values():
        config = resolve(
            row.method, row.suite, budget=setup.budget, domains=row.domains, overrides=setup.overrides
        )
        write(config, tmp_path / "config.yaml")
        assert read(tmp_path / "config.yaml") == config  # an infinite clip, too: a resumed run compares them
        shots, ways = config.suite.shots, config.suite.ways
        tasks = {f"{domain}/{ways}w{k}s" for domain in row.domains for k in shots}
        assert set(row.published) <= tasks
    assert row.scales["small"].hours <= 1
    assert row.comparable or row.why_not


def row(**changes: object) -> Row:
    return load("protonet-omniglot-5w1s").model_copy(update=changes)


def test_verdicts() -> None:
    task = "omniglot/5w1s"
    published = {task: Figure(accuracy=98.8, interval=0.2, source="x")}
    known = row(published=published)
    assert verdict(known, "paper", task, 98.5, 98.3, 98.7).word == "as published"
    assert verdict(known, "paper", task, 97.5, 97.3, 97.7).word == "below what was published"
    assert verdict(known, "paper", task, 99.5, 99.3, 99.7).word == "above what was published"
    away = row(comparable=False, why_not="sample")
    assert verdict(away, "paper", task, 98.5, 98.3, 98.7).word == "not comparable: sample"
    scale = known.scales["small"].model_copy(update={"measured": {}})
    new = known.model_copy(update={"scales": {**known.scales, "small": scale}})
    small = verdict(new, "small", task, 98.5, 98.3, 98.7)
    assert small.word.startswith("first measurement") and small.published == published[task]
    measured = {task: Figure(accuracy=98.4, interval=0.2, source="here")}
    scale = scale.model_copy(update={"measured": measured})
    again = known.model_copy(update={"scales": {**known.scales, "small": scale}})
    reference = "measured here before, 98.40 +- 0.20"
    assert verdict(again, "small", task, 97.9, 97.7, 98.1).word == f"below what was {reference}"
    assert verdict(again, "small", task, 98.4, 98.3, 98.5).word == f"as {reference}"
    for scale_name in ("paper", "small"):
        word = verdict(again, scale_name, task, 98.5, 98.3, 98.7, changed=True).word
        assert word == "not comparable: settings of the row were changed"


def test_a_published_cell_nobody_read_stays_empty() -> None:
    bao = load("maml-huffpost")
    assert bao.published == {}
    assert verdict(bao, "paper", "huffpost/5w1s", 40, 39, 41).published is None


def agree(kept: object, now: object) -> bool:
    """Whether all that a run wrote down is still so; it may be older than a setting with a default."""
    if isinstance(kept, dict) and isinstance(now, dict):
        return all(key in now and agree(value, now[key]) for key, value in kept.items())
    return kept == now


@pytest.mark.parametrize("bundle", sorted(REPRODUCED.glob("*/")), ids=lambda bundle: bundle.name)
def test_what_was_run_here_is_what_its_row_is_compared_with(bundle: Path) -> None:
    run = yaml.safe_load((bundle / "config.yaml").read_text())
    row = load(bundle.name)
    setup = row.scales["small"]
    config = resolve(
        row.method, row.suite, budget=setup.budget, domains=row.domains, overrides=setup.overrides
    )
    assert run["method"] == row.method
    assert agree(run["settings"], config.settings) and agree(run["budget"], config.budget.model_dump())
    ways, shots = run["suite"]["ways"], run["suite"]["shots"]
    assert set(setup.measured) == {f"{d}/{ways}w{k}s" for d in run["suite"]["domains"] for k in shots}


def test_an_unknown_row_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no row named 'maml-huffpst'; did you mean 'maml-huffpost'"):
        load("maml-huffpst")


def test_wrong_seeds_are_a_usage_error() -> None:
    done = CliRunner().invoke(app, ["reproduce", "protonet-omniglot-5w1s", "--seeds", "1,y"])
    assert done.exit_code == 2 and "--seeds wants numbers like 0,1,2, got '1,y'" in done.output
