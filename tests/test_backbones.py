"""The backbones of examples/: the contract, a run from the command line, and weights that tell runs apart."""

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from metanas import testing
from metanas.base import plugins
from metanas.base.errors import DataError, InvalidValue
from metanas.base.seeding import generator
from metanas.data.datasets import Datasets
from metanas.data.episode import TaskSpec
from metanas.engine import collect, run
from metanas.engine import config as configs
from metanas.engine.config import ConfigError
from metanas.evaluation import report, result
from metanas.method import METHODS, Progress
from metanas.models.build import build
from metanas.models.pretrained import sha256_of
from metanas.space.network_config import NETWORKS, NetworkConfig
from metanas.space.space import SearchSpace
from metanas.testing.inputs import IMAGE, TEXT, episodes
from tests import foreign
from tests.rooms import ROOT

FOLDER = ROOT / "examples" / "backbones"
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package of the examples, as pip leaves it."""
    site, before = tmp_path_factory.mktemp("site"), dict(NETWORKS._things)
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    lines = [f"{name} = {target}" for name, target in project["entry-points"]["metanas.networks"].items()]
    foreign.install(site, "metanas_backbones", "\n".join(["[metanas.networks]", *lines]), {})
    sys.path[:0] = [str(site), str(FOLDER)]
    plugins.forget()
    yield
    del sys.path[:2]
    NETWORKS._things.clear()
    NETWORKS._things.update(before)
    for name in [name for name in sys.modules if name.startswith("metanas_backbones")]:
        del sys.modules[name]
    plugins.forget()


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of torchvision's ResNet-18, with its classifier."""
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), path)
    return path


def encoder(path: Path, seed: int = 0, depth: int = 1) -> Path:
    """Random weights of a byte encoder of width 8."""
    from metanas_backbones.byte_encoder import Encoder  # type: ignore[import-not-found]

    torch.manual_seed(seed)
    save_file(Encoder(8, depth).state_dict(), path)
    return path


def config(path: Path, **options: Any) -> NetworkConfig:
    return NetworkConfig(**{"kind": "byte-encoder", "width": 8, "depth": 1, "weights": str(path), **options})


@pytest.mark.parametrize("frozen", [True, False])
def test_the_text_encoder_keeps_the_contract(frozen: bool, tmp_path: Path) -> None:
    options = {"weights": str(encoder(tmp_path / "a.safetensors")), "depth": 1, "frozen": frozen}
    checks = testing.checks("network", "byte-encoder", settings=options)
    assert [check.outcome() for check in checks if check.outcome().state == "failed"] == []


def test_the_resnet_keeps_the_contract(resnet: Path) -> None:
    quick = {
        "takes_inputs",
        "one_by_one_equals_all_at_once",
        "every_weight_gets_a_gradient",
        "runs_under_vmap",
        "initialisation_follows_from_the_generator",
        "runs_on_another_device",
    }  # the rest are the same for both
    checks = testing.checks("network", "resnet18", settings={"weights": str(resnet)})
    for check in checks:
        if check.name in quick:
            check()


def test_a_run_says_which_weights_it_had(resnet: Path, tmp_path: Path) -> None:
    def asked(weights: Path) -> configs.RunConfig:
        network = ["network.kind=resnet18", f"network.weights={weights}"]
        changes = [*network, "budget.eval_episodes=2", "suite.shots=[1]", "suite.queries=2"]
        return configs.resolve(
            "protonet", "mini-v1", budget="smoke", domains=["digits"], seeds=[0], overrides=changes
        )

    made, folder = asked(resnet), tmp_path / "run"
    data = Datasets.open(made.suite)
    (seed_run,) = run.prepare(made, folder, data)
    run.work(seed_run, lambda doing, done: None)
    collect.finish(made, folder, data)
    submission = result.read_submission(folder / result.SUBMISSION)
    sha256 = submission.settings["network"]["weights_sha256"]
    assert re.fullmatch("[0-9a-f]{64}", sha256)
    assert submission.costs.parameters > 11_000_000, "frozen ones count"
    page = report.build([folder], tmp_path / "report.html", twins=False).read_text()
    assert f"external pre-training: resnet18 {sha256[:8]}" in page
    other = tmp_path / "other.pth"
    weights = torch.load(resnet, weights_only=True)
    torch.save(weights | {"bn1.bias": weights["bn1.bias"] + 1}, other)
    with pytest.raises(ConfigError, match=r"holds a run with other settings .*network.weights_sha256"):
        run.prepare(asked(other), folder, data)


def test_a_stored_run_refuses_other_weights_in_the_same_file(tmp_path: Path) -> None:
    path = encoder(tmp_path / "a.safetensors")
    kind = METHODS["protonet"]
    given = {"network": {"kind": "byte-encoder", "width": 8, "depth": 1, "weights": str(path)}}
    settings = configs.settings_of(kind, given)
    stored = configs.plain(settings)
    assert stored["network"]["weights_sha256"] == settings.network.weights_sha256 != ""
    assert configs.settings_of(kind, stored, stored=True) == settings
    encoder(path, seed=1)
    with pytest.raises(DataError, match=r"network.weights: those of .* have SHA-256 .* and this run has"):
        kind([TEXT], configs.settings_of(kind, stored, stored=True))
    with pytest.raises(InvalidValue, match="network.weights_sha256 is"):
        configs.settings_of(kind, stored)


def test_settings_without_a_backbone_are_stored_as_ever() -> None:
    stored = configs.plain(configs.settings_of(METHODS["protonet"], {}))
    assert set(stored["network"]) == {"kind", "width", "depth", "norm", "eps", "down", "read"}


def test_what_is_not_frozen_begins_at_the_file_and_is_trained(tmp_path: Path) -> None:
    path = encoder(tmp_path / "a.safetensors")
    kind = METHODS["maml"]
    given = {"network": {"kind": "byte-encoder", "width": 8, "depth": 1, "weights": str(path)}, "steps": 1}
    for frozen in (True, False):
        network = given["network"] | {"frozen": frozen}  # type: ignore[operator]
        method = kind([TEXT], configs.settings_of(kind, given | {"network": network}))
        state = method.start(generator(0, "x"))
        body = [name for name in state if name.startswith("weights/body.")]
        assert bool(body) == (not frozen)
        after, _ = method.step(state, Progress(0, 2), [episodes(TEXT)] * 2)
        assert all(name in after for name in body)
        if body:
            assert torch.equal(state["weights/body.bytes.weight"], _read(path)["bytes.weight"])


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def test_a_hash_is_of_the_weights_and_not_of_the_file(tmp_path: Path) -> None:
    a, b = encoder(tmp_path / "a.safetensors"), tmp_path / "b.pt"
    torch.save(_read(a), b)
    hashes = {str(NETWORKS["byte-encoder"].weights_hash(config(path))) for path in (a, b)}  # type: ignore[attr-defined]
    assert len(hashes) == 1
    net = build(config(a), SearchSpace(), [TEXT])
    assert net.weights_sha256 in hashes
    assert sha256_of(torch.nn.Linear(1, 1)) not in hashes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": ""}, "byte-encoder needs a file of weights: --set network.weights=FILE"),
        ({"weights": "missing.pt"}, "missing.pt cannot be read: No such file"),
        ({"depth": 2}, r"does not fit byte-encoder: blocks.1.before.bias is not in it \(12 such names\)"),
        ({"width": 16}, r"does not fit byte-encoder: .* has shape \(.*8\), expected \(.*16\)"),
        ({"kind": "conv4"}, "network.weights is of backbones, and conv4 is none"),
        ({"weights_sha256": "0" * 64}, "network.weights_sha256 is 0000"),
    ],
)
def test_wrong_weights_say_so(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    network = vars(config(encoder(tmp_path / "a.safetensors"))) | change
    with pytest.raises((ConfigError, DataError, InvalidValue), match=message):
        configs.settings_of(METHODS["protonet"], {"network": network})


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_damaged_file_is_named(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"network.weights: .*a.{suffix}"):
        configs.settings_of(METHODS["protonet"], {"network": vars(config(path))})


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(DataError, match="is no state dict of tensors alone"):
        configs.settings_of(METHODS["protonet"], {"network": vars(config(path))})


def test_images_are_refused_by_a_text_encoder(tmp_path: Path) -> None:
    spec: TaskSpec = replace(IMAGE, name="digits")
    with pytest.raises(InvalidValue, match="byte-encoder takes text, and digits is image; choose domains"):
        build(config(encoder(tmp_path / "a.safetensors")), SearchSpace(), [spec])
