"""Suites: versioned lists of domains with a protocol, one YAML file each in `tasks/suites/`. No torch.

Other packages add theirs through the entry points `metanas.suites`, and a path is a suite of one's own; both
have their manifest beside the YAML file. What a suite's data and pinned episodes must be is in `manifest.py`;
`datasets.py` opens a suite's data.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from metanas.base import described, json_text, plugins
from metanas.base.errors import DamagedFile, InvalidValue, MetanasError
from metanas.base.meant import meant
from metanas.base.ranges import Count, Number, Positive, Range, Seed
from metanas.base.registry import UnknownName
from metanas.data.episode import EpisodeShape

Ways = Annotated[int, Range(least=2)]
_LATER = (
    "origin",
    "imbalanced",
    "validation",
    "fewest_ways",
)  # fields of a suite that came after suites were first stored
# fields that make it another suite (`Suite.changes`)
_DEFINING = "version ways queries train_queries train_ways episodes validation fewest_ways".split()
Pins = dict[str, dict[str, Any]]  # by domain, then by kind of data ("full" or "sample"): `manifest.describe`
GROUP = "metanas.suites"
Tested = Annotated[int, Range(least=2, why="an interval of accuracies needs two")]


class Budget(BaseModel):
    """How much meta-training a track allows its methods, and on how many episodes it tests them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: Number
    tasks: Count  # episodes per domain and iteration
    eval_episodes: Tested  # so many of the pinned test episodes, from the first
    flops: Positive | None = None  # of meta-training, in place of iterations
    patience: Count | None = None  # stop after so many checks without a new best meta-validation accuracy
    check_every: Count = 50  # iterations between these checks
    check_episodes: Count = 50  # per domain and number of shots

    def named(self, name: str) -> dict[str, int | float | str]:
        """The budget as a submission states it: fields that have no effect are left out."""
        fields = self.model_dump(exclude_none=True)
        if self.patience is None:
            fields = {key: value for key, value in fields.items() if not key.startswith("check_")}
        if self.flops is not None:
            del fields["iterations"]
        return {"name": name, **fields}


class DomainOptions(BaseModel):
    """Settings of one domain that differ from its suite's. None: as the suite says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ways: Ways | None = None  # a domain of four classes has 4-way tasks
    queries: Count | None = None
    group_disjoint: bool = False  # no speaker or drawer of a test episode is in both of its sets
    imbalanced: bool = False  # support sets whose classes differ in size (`sampler.support_sizes`)
    distinct: bool = False  # repeated examples are left out (`duplicates.py`)
    # in meta-training (`augment.py`): true, SpecAugment of speech and USUAL of images; or a list of changes
    augment: bool | tuple[Literal["crop", "flip", "rotate", "colour", "erase"], ...] = False
    tokens: Literal["bytes", "words"] = "bytes"  # text: words of the meta-train classes
    vectors: Path | None = None  # text, words: a file of vectors, not trained, of words of any class

    def shown(self) -> str:
        """What differs from the defaults, as JSON; of a file its name alone."""
        found = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(found | ({"vectors": self.vectors.name} if self.vectors else {}))


class Origin(BaseModel):
    """The file of a suite that is neither built in nor installed, as it was read, and its manifest.

    A run keeps it in config.yaml, and a board that was given the suite keeps it too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: dict[str, Any]
    pins: Pins


class Suite(BaseModel):
    """A benchmark protocol: domains, shapes of their episodes, seeds and budgets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    summary: str
    domains: tuple[str, ...]
    ways: Ways
    shots: Annotated[tuple[Count, ...], Field(min_length=1)]
    queries: Count
    train_queries: Count
    train_ways: Ways | None = None  # of meta-training; None: as in test episodes
    episodes: Tested
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    budgets: dict[str, Budget]
    options: dict[str, DomainOptions] = {}  # by domain
    imbalanced: bool = False  # of all domains
    fewest_ways: Ways | None = (
        None  # the ways of each episode are drawn from these to `ways`; None: all have `ways`
    )
    validation: tuple[str, ...] = ()  # domains for meta-validation alone; (): each domain's own val classes
    origin: Origin | None = None  # None: built in, or of an installed package

    @field_validator("domains", "shots", "seeds")
    @classmethod
    def _once(cls, values: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        """Each value stands once: a task that stands twice would be answered twice."""
        twice = [value for value in values if values.count(value) > 1]
        if twice and not (info.context or {}).get("stored"):
            raise ValueError(f"{twice[0]!r} stands {values.count(twice[0])} times, each may stand once")
        return values

    @model_validator(mode="after")
    def _leaves_something(self) -> "Suite":
        """Validation domains are of the suite, and not all of it; fewest ways are fewer than the most."""
        if unknown := [name for name in self.validation if name not in self.domains]:
            raise ValueError(f"validation: {unknown[0]!r} is not among {', '.join(self.domains)}")
        if not self.tested:
            raise ValueError("validation: no domain is left for training and tests")
        if self.fewest_ways is not None and self.fewest_ways >= self.ways:
            raise ValueError(
                f"fewest_ways must be less than ways, which is {self.ways}, got {self.fewest_ways}"
            )
        return self

    @property
    def tested(self) -> tuple[str, ...]:
        """The domains of meta-training and tests: all but those for meta-validation alone."""
        return tuple(name for name in self.domains if name not in self.validation)

    @model_serializer(mode="wrap")
    def _without_what_is_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Later fields are left out where they have no effect: stored suites keep their form."""
        fields: dict[str, Any] = handler(self)
        return {key: value for key, value in fields.items() if value or key not in _LATER}

    @property
    def original(self) -> "Suite":
        """The suite as its file has it, before any override. UnknownName if it is not here any more."""
        if self.origin is None:
            return load_suite(self.name)
        return Suite.model_validate({**self.origin.suite, "origin": self.origin.model_dump()})

    @property
    def label(self) -> str:
        """What results call the suite: its name, or "mini-v1 (changed)" where it is not that suite.

        Fewer domains or numbers of shots, other seeds and budgets do not change a suite.
        """
        return f"{self.name} (changed)" if self.changes() else self.name

    def changes(self) -> dict[str, str]:
        """What makes it another suite than that of its name: the settings that differ from it, as JSON."""
        if self.origin is None and self.name not in names():
            return {}
        own = self.original
        found = {field for field in _DEFINING if getattr(self, field) != getattr(own, field)}
        found |= {
            field for field in ("shots", "domains") if set(getattr(self, field)) - set(getattr(own, field))
        }
        options = [domain for domain in self.domains if self.of(domain) != own.of(domain)]
        plain = self.model_dump(mode="json", include=found)
        named = {field: json.dumps(plain.get(field)) for field in sorted(found)}
        return named | {f"options.{domain}": self.of(domain).shown() for domain in options}

    def of(self, domain: str) -> DomainOptions:
        """The options of a domain, the defaults if the suite has none for it."""
        options = self.options.get(domain, DomainOptions())
        return options.model_copy(update={"imbalanced": True}) if self.imbalanced else options

    def ways_of(self, domain: str) -> int:
        """The number of classes in an episode of this domain, or the most where it is drawn."""
        return self.of(domain).ways or self.ways

    def all_ways(self, domain: str) -> range:
        """The numbers of classes that an episode of this domain may have."""
        return self.shapes(domain)[0].possible_ways

    def shapes(self, domain: str) -> list[EpisodeShape]:
        """The shapes of a domain's test episodes, one per number of shots."""
        queries = self.of(domain).queries or self.queries
        ways, fewest = self.ways_of(domain), self._fewest(domain)
        return [EpisodeShape(ways, shots, queries, fewest) for shots in self.shots]

    def train_shapes(self, domain: str) -> list[EpisodeShape]:
        """The shapes of a domain's meta-training episodes."""
        ways = self.train_ways or self.ways_of(domain)
        fewest = 0 if self.train_ways else self._fewest(domain)
        return [EpisodeShape(ways, shots, self.train_queries, fewest) for shots in self.shots]

    def _fewest(self, domain: str) -> int:
        """The fewest ways of a domain's episodes if they are drawn; 0 if not, or it has no more itself."""
        return self.fewest_ways if self.fewest_ways and self.fewest_ways < self.ways_of(domain) else 0


def folder() -> Path:
    """The folder of the built-in suites' YAML files."""
    return plugins.folder("tasks") / "suites"


def names() -> tuple[str, ...]:
    """The names of all built-in and installed suites, sorted."""
    return tuple(sorted(_files()))


def built_in() -> tuple[str, ...]:
    """The names of the suites in `tasks/suites`, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def readable() -> Iterator[Suite]:
    """All built-in and installed suites by name, without installed ones whose file is wrong (`problems`)."""
    for name in names():
        try:
            yield load_suite(name)
        except MetanasError:
            if name in built_in():
                raise


def problems() -> list[str]:
    """A line for each suite of an installed package that is left out, or whose file is missing or wrong."""
    found = list(plugins.foreign(GROUP).problems)
    for entry in plugins.foreign(GROUP).entries:
        whose = f"{GROUP}: {entry.name!r} of {entry.whose}"
        if entry.name in built_in():
            found.append(f"{whose} is left out: there is a built-in suite of that name; choose another")
        elif (file := _installed(entry)) is None:
            found.append(f"{whose}: there is no {entry.name}.yaml beside the module {entry.module}")
        else:
            try:
                read(file)
            except MetanasError as error:
                found.append(f"{whose}: {error}")
    return found


def _files() -> dict[str, Path]:
    """The YAML file of every built-in and installed suite, by name; built-in ones come first."""
    ours = {name: folder() / f"{name}.yaml" for name in built_in()}
    installed = {entry.name: _installed(entry) for entry in plugins.foreign(GROUP).entries}
    return {name: path for name, path in {**installed, **ours}.items() if path is not None}


def _installed(entry: plugins.Entry) -> Path | None:
    """The YAML file of an installed suite, in the folder of its module; None if it is not there."""
    place = plugins.place(entry.module)
    path = None if place is None else place / f"{entry.name}.yaml"
    return path if path is not None and path.is_file() else None


def file_of(name: str | Path) -> Path:
    """The YAML file of a suite: of that name, or a path that ends in .yaml or .yml. UnknownName."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    files = _files()
    if str(name) not in files:
        beside = next((file for end in (".yaml", ".yml") if (file := Path(f"{name}{end}")).is_file()), None)
        note = f"the file ./{beside} is given by its path" if beside else ""
        raise UnknownName("suite", str(name), tuple(sorted(files)), note)
    return files[str(name)]


def manifest_of(file: Path) -> Path:
    """The manifest of a suite's YAML file; it need not exist. Built-in ones have a folder of their own."""
    if file.parent == folder():
        return plugins.folder("tasks") / "manifests" / f"{file.stem}.json"
    return file.with_suffix(".manifest.json")


def read_pins(file: Path) -> Pins:
    """The manifest beside a suite's YAML file, empty if there is none. DamagedFile if it is not one."""
    path = manifest_of(file)
    if not path.exists():
        return {}
    remedy = f"pin the suite again: metanas suite pin {file}"
    pins = json_text.read(path, remedy)
    for name, kinds in pins.items():
        for kind, entry in (kinds if isinstance(kinds, dict) else {"full": None}).items():
            if not _is_pin(entry):
                raise DamagedFile(f"{path} is damaged ({name}: {kind} is {entry!r:.40}, not a pin); {remedy}")
    return pins


def _is_pin(entry: Any) -> bool:
    """Whether an entry of a manifest has what every check of data and episodes looks at."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("fingerprint"), str)
        and isinstance(entry.get("episodes"), int)
        and isinstance(entry.get("test"), dict)
        and isinstance(entry.get("version", ""), str)
        and all(isinstance(entry.get(key, {}), dict) for key in ("first", "repeats", "classes"))
    )


def read(file: Path) -> Suite:
    """The suite in a YAML file. InvalidValue says what is wrong in it."""
    fault = "does not describe a suite"
    suite = described.read(file, Suite, fault)
    for domain in suite.options:
        if domain not in suite.domains:
            hint = meant(domain, suite.domains)
            raise InvalidValue(f"{file} {fault}: options.{domain}: the suite has no such domain{hint}")
    return suite


def load_suite(name: str | Path) -> Suite:
    """The suite of that name, or the one in a YAML file: a path that ends in .yaml or .yml.

    A file's suite has its manifest with it (`origin`), unless it has the name of a built-in or installed one,
    whose manifest then holds. UnknownName names the closest one; InvalidValue says what is wrong in the file.
    """
    file = file_of(name)
    suite = read(file)
    if str(name) in names() or suite.name in names():
        return suite
    origin = Origin(suite=suite.model_dump(mode="json"), pins=read_pins(file))
    return suite.model_copy(update={"origin": origin})


def check_name(name: str) -> None:
    """InvalidValue unless a suite may have this name, which is used in addresses and file names."""
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name) is None:
        raise InvalidValue(
            f"a suite's name has lower-case letters, digits, '.', '_' and '-', at most 64, beginning with a "
            f"letter or digit, got {name!r:.80}"
        )
