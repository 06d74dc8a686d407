"""MetaNAS-Bench: a benchmark for methods that learn to adapt architectures, on images, text and speech.

    import metanas

    suite = metanas.load_suite("mini-v1")
    tasks = suite.open()["digits"].tasks("meta-train", ways=5, shots=1)
    run = metanas.run("protonet", suite, budget="smoke", seeds=[0])
    run.scores().to_pandas()

`docs/api.md` shows all of it. Names are imported when they are first used; `import metanas` alone is quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metanas.base.errors import DataError as DataError
    from metanas.base.errors import InvalidValue as InvalidValue
    from metanas.base.errors import MetanasError as MetanasError
    from metanas.data.adapter import DOMAINS as DOMAINS
    from metanas.data.adapter import Adapter as Adapter
    from metanas.data.adapter import Examples as Examples
    from metanas.data.datasets import Datasets as Datasets
    from metanas.data.datasets import load_suite as load_suite
    from metanas.data.domain import Domain as Domain
    from metanas.data.episode import Batch as Batch
    from metanas.data.episode import Episodes as Episodes
    from metanas.data.episode import EpisodeShape as EpisodeShape
    from metanas.data.episode import TaskSpec as TaskSpec
    from metanas.data.suite import Suite as Suite
    from metanas.data.tasks import TaskDataset as TaskDataset
    from metanas.method import METHODS as METHODS
    from metanas.method import Adapted as Adapted
    from metanas.method import Method as Method
    from metanas.method import Progress as Progress
    from metanas.method import State as State
    from metanas.space.architecture import Architecture as Architecture
    from metanas.space.architecture import derive as derive_architecture
    from metanas.space.architecture import parse as parse_architecture
    from metanas.space.network_config import NETWORKS as NETWORKS
    from metanas.space.network_config import NetworkConfig as NetworkConfig
    from metanas.space.picture import picture as architecture_svg
    from metanas.space.space import SearchSpace as SearchSpace
    from metanas.studies.api import Learner as Learner
    from metanas.studies.api import Run as Run
    from metanas.studies.api import compare as compare
    from metanas.studies.api import load_run as load_run
    from metanas.studies.api import run as run
    from metanas.studies.states import load as load
    from metanas.tables.table import Table as Table
    from metanas.tables.table import load_table as load_table

_WHERE = {
    "metanas.base.errors": ("DataError", "InvalidValue", "MetanasError"),
    "metanas.data.adapter": ("DOMAINS", "Adapter", "Examples"),
    "metanas.data.datasets": ("Datasets", "load_suite"),
    "metanas.data.domain": ("Domain",),
    "metanas.data.episode": ("Batch", "Episodes", "EpisodeShape", "TaskSpec"),
    "metanas.data.suite": ("Suite",),
    "metanas.data.tasks": ("TaskDataset",),
    "metanas.method": ("METHODS", "Adapted", "Method", "Progress", "State"),
    "metanas.space.architecture": ("Architecture", "derive_architecture=derive", "parse_architecture=parse"),
    "metanas.space.network_config": ("NETWORKS", "NetworkConfig"),
    "metanas.space.picture": ("architecture_svg=picture",),
    "metanas.space.space": ("SearchSpace",),
    "metanas.studies.api": ("Learner", "Run", "compare", "load_run", "run"),
    "metanas.studies.states": ("load",),
    "metanas.tables.table": ("Table", "load_table"),
}
_MODULES = {
    entry.partition("=")[0]: (module, entry.rpartition("=")[2])
    for module, entries in _WHERE.items()
    for entry in entries
}
__all__ = [
    "Adapted",
    "Adapter",
    "Architecture",
    "Batch",
    "DOMAINS",
    "DataError",
    "Datasets",
    "Domain",
    "EpisodeShape",
    "Episodes",
    "Examples",
    "InvalidValue",
    "Learner",
    "METHODS",
    "MetanasError",
    "Method",
    "NETWORKS",
    "NetworkConfig",
    "Progress",
    "Run",
    "SearchSpace",
    "State",
    "Suite",
    "Table",
    "TaskDataset",
    "TaskSpec",
    "architecture_svg",
    "compare",
    "derive_architecture",
    "load",
    "load_run",
    "load_suite",
    "load_table",
    "parse_architecture",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'metanas' has no attribute {name!r}")
    import importlib

    module, attribute = _MODULES[name]
    found = getattr(importlib.import_module(module), attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
