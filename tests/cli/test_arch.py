"""`metanas arch`: what it prints, draws, derives and exports, on a real small run."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from metanas.engine.trainer import TrainError
from metanas.models.export import run_onnx
from metanas.models.macs import macs, parameters
from metanas.space.architecture import DEFAULT_SPACE, parse
from metanas.space.enumeration import at
from metanas.space.picture import picture
from metanas.studies.derive import derived
from tests.cli.program import metanas, run

CELLS = "[conv3@0 + skip@1, gru@2 + conv5@0]/relu > [attn@0, fc@2 + maxpool3@1]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("arch")
    done = run("--method", "scratch", "--domains", "langid", "--set", "test_steps=2", cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "runs/mini-v1/smoke/scratch"


def test_show_prints_costs_and_draws(tmp_path: Path) -> None:
    done = metanas("arch", "show", "C-P-F", "--svg", "a.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    chain = parse("C-P-F")
    assert done.stdout.splitlines()[0] == "conv3/relu > maxpool3 > fc/relu"
    assert f"{parameters(chain):,}" in done.stdout
    assert f"{macs(chain, (1, 28, 28)):,}" in done.stdout
    assert "maxpool3" in (tmp_path / "a.svg").read_text()
    found = json.loads(metanas("arch", "show", "C-P-F", "--json", cwd=tmp_path).stdout)
    assert found["architecture"]["layers"][1]["op"] == "maxpool3"


def test_show_says_which_number_of_how_many_and_takes_one(tmp_path: Path) -> None:
    done = metanas("arch", "show", "1234", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["text"], found["number"]) == (str(at(DEFAULT_SPACE, 1234)), 1234)
    assert found["of"] == 24 + 24**2 + 24**3  # 8 operations, 3 activations, up to 3 layers
    beyond = metanas("arch", "show", "14424", cwd=tmp_path)
    assert (beyond.returncode, beyond.stdout) == (2, "")
    assert beyond.stderr == "metanas: an architecture's number lies in 0..14423, got 14424\n"


def test_a_wrong_architecture_is_one_line_and_a_usage_error(tmp_path: Path) -> None:
    done = metanas("arch", "show", "convv3/relu > fc", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "metanas: no op named 'convv3'; did you mean 'conv3'?\n"


@pytest.mark.parametrize("text", ["conv3/relu > maxpool3 > fc (residual=no)", CELLS])
def test_a_picture_is_well_formed_and_names_every_operation(text: str) -> None:
    architecture = parse(text)
    root = ElementTree.fromstring(picture(architecture, "a <title>"))
    words = [element.text for element in root.iter() if element.text]
    ops = [edge.op for layer in architecture.layers for edges in layer.graph for edge in edges]
    assert all(words.count(op) == ops.count(op) for op in ops)
    assert "a <title>" in words and str(architecture) in words


def test_importing_the_commands_does_not_import_torch() -> None:
    code = "import metanas.cli.arch, metanas.space.picture, metanas.space.enumeration, sys"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True
    )
    assert done.stdout == b"False\n"


def test_derive_prints_what_the_run_kept(folder: Path) -> None:
    done = metanas("arch", "derive", str(folder), "--domain", "langid", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["task"] for row in rows] == ["langid/5w1s", "langid/5w5s"]
    for row in rows:
        assert str(parse(row["text"])) == row["text"]
    wrong = metanas("arch", "derive", str(folder), "--domain", "digits", cwd=folder)
    assert wrong.returncode == 2 and "it has: langid/5w1s, langid/5w5s" in wrong.stderr


def test_export_writes_the_adapted_network(folder: Path) -> None:
    done = metanas("arch", "export", str(folder), "--domain", "langid", "--episode", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    net, x = derived(folder, "langid", seed=0, episode=1, root=None)
    logits = run_onnx(folder / "langid-seed0-episode1.onnx", x)
    torch.testing.assert_close(logits, net(x).detach(), rtol=1e-4, atol=1e-4)
    assert logits.abs().max() > 0  # adapted: the head began at 0
    with pytest.raises(TrainError, match="has no state of seed 7; its seeds are 0"):
        derived(folder, "langid", seed=7, episode=0, root=None)
    with pytest.raises(TrainError, match=r"mini-v1 pins episodes 0\.\.199, got 200"):
        derived(folder, "langid", seed=0, episode=200, root=None)
    with pytest.raises(TrainError, match="seed0 is not a run folder"):
        derived(folder / "seed0", "langid", seed=0, episode=0, root=None)
