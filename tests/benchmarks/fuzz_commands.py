"""Random command lines over every command and option, with damaged files and odd names in between.

    METANAS_LONG=1 python -m pytest tests/cli/test_fuzz.py      # 2,000 of them
    python -m tests.benchmarks.fuzz_commands 500 [seed]         # prints what breaks the promise

Every command line must end with code 0, 1, 2, 3 or 4 and no traceback, and leave no half-written file. What
would train, serve or reach the network is replaced by its quickest failure: only the command line is tried.
"""

import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from metanas.base.errors import MetanasError
from metanas.cli import app
from metanas.data.adapter import DOMAINS
from metanas.data.suite import names
from metanas.method import METHODS
from tests import runs
from tests.leaderboard import bundles

NUMBERS = ("0", "1", "-1", "2", "7", "9" * 20, "1e9", "nan", "x", "", "0x1")
TEXTS = ("", " ", "a", "a b", "ä", "../x", "-", "--", "名前", "a/b", "a\nb", "\\", "%s", "{}", "'", "x" * 300)
SETTINGS = tuple(
    """steps=1 steps=-1 steps=[1 steps={ steps=nan steps= =1 steps {}=1 space=3 suite=3 budget=3 suite=[1]
    suite.shots=3 suite.shots=[1] suite.shots=[] suite.domains=langid suite.options={a:1} suite.name=null
    suite.budgets={} budget.iterations=1 budget.iterations=0.5 budget=null space=null space.strategy=nope
    space.strategy={} space.strategy=[1] space.strategy=missing.yaml space.strategy=text.yaml space.ops=[none]
    space.ops=[] space.ops=3 space.layers=0 space.channels=-3 space.channels=x cost=3 tracking=3
    trials=x trials=true clip=.inf weight_rate=.nan weight_rate=-1 a.b.c=1 space.architecture=conv3 seed=1
    space.architecture=zzz steps=2026-13-01 steps=!!python/none method=x
    tracking=wandb suite.options.langid.ways=1""".split()
)
OVER = tuple(
    """weight_rate=0.1..1 weight_rate=1..0 weight_rate=.. x=1..2 steps=1|2 steps space.channels=a..b
    weight_rate=[..1 weight_rate=nan..1 steps=1..1 = weight_rate=0..0.1 weight_rate=.inf..1 steps=|""".split()
)
POOLS: dict[str, tuple[str, ...]] = {
    "budget": ("smoke", "small", "tiny"),
    "db": ("board.db", "binary", "new/board.db", "empty", "run", "sqlite:///board.db", "x://y"),
    "definition": ("table-v1", "text.yaml", "x"),
    "device": ("cpu", "auto", "gpu", "cuda:9"),
    "domain": tuple(DOMAINS),
    "domains": ("langid", "langid, digits", "digits,nope", ","),
    "executor": ("local", "slurm"),
    "host": ("127.0.0.1", "::1", "x y", ""),
    "kind": ("methods", "domains", "ops", "rows", "tables", "onnx", "pt2"),
    "like": ("reptile", "x"),
    "method": tuple(METHODS),
    "methods": ("chance,maml", "chance", ",", "maml, chance"),
    "over": OVER,
    "overrides": SETTINGS,
    "precision": ("float32", "bf16", "x"),
    "row": ("maml-reuters", "x"),
    "run": ("run", "whole", "other", "mine"),
    "runs": ("run", "other", "whole"),
    "sampler": ("tpe", "random", "x"),
    "scale": ("small", "paper"),
    "scope": ("submit", "root"),
    "searcher": ("random", "x"),
    "seeds": ("0", "0, 1", "1,1", "-1", "x"),
    "server": ("http://127.0.0.1:1", "x", "", "http://[", "ftp://a"),
    "split": ("test", "train", "x"),
    "storage": ("sqlite:///tune.db", "sqlite:///binary", "sqlite:///", "tune.db", "x://y"),
    "suite": (*names(), "suite.yaml", "text.yaml"),
    "suites": ("mini-v1", "mini-v1,core-v1", ","),
    "table": ("table-v1", "binary", "x"),
    "test": ("langid", "digits", "x"),
    "text": ("conv3/relu > fc/relu", "conv3/relu", "C-P-F", "0", "12", "9" * 40, "-1", "> >", "²"),
    "token": ("1", "mnas_x", "a\nb", "", "x"),
    "train": ("langid", "loo", "lom", "x", ",", "digits,langid"),
}
COUNTS = set(
    "days episode episodes jobs port queries repetitions rescore seed shots top trials workers".split()
)
IN_PLACE_OF = """metanas.base.executor.run metanas.studies.table_build.build metanas.studies.tune.meta_train
metanas.studies.table_search.search metanas.studies.table_tau.inherited metanas.studies.table_page.write
metanas.data.files.fetch metanas.studies.reevaluate.reevaluate metanas.models.export.export
uvicorn.Server.run""".split()
DAMAGE: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: b"",
    lambda content: content[: len(content) // 2],
    lambda content: content[:-1],
    lambda content: b"\xff\xfe" + content,
    lambda content: b"{}",
    lambda content: b"[1, 2]",
    lambda content: b"null",
    lambda content: b"[" * 3000,
    lambda content: content.replace(b"1", b"9", 3),
    lambda content: content + b"\n{",
)


class Stopped(MetanasError):
    """In place of training, serving and the network."""


def stop(*given: object, **options: object) -> Any:
    """The quickest failure that a user could meet."""
    raise Stopped("stopped here")


def commands() -> dict[tuple[str, ...], list[Any]]:
    """The parameters of every command, from typer's own tree."""

    def walk(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
        if not hasattr(node, "commands"):
            yield path, node.params
            return
        for name, below in node.commands.items():
            yield from walk(below, (*path, name))

    return dict(walk(typer.main.get_command(app.app), ()))


class World:
    """A folder with good, damaged and odd files, and the command lines over them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random, self.folder, self.commands = random.Random(seed), folder, commands()
        self.damaged = 0

    def prepare(self) -> None:
        """Make what the command lines point to: runs, bundles, a board, documents."""
        runs.make(self.folder / "run", "m", 0.6)
        runs.make(self.folder / "other", "n", 0.4)
        (self.folder / "bundle.zip").write_bytes(bundles.zipped(self.folder / "mine"))
        done, _, _ = call(["run", "--method", "chance", *SMALL, "--out", "whole", "--db", "board.db"])
        assert done == 0
        (self.folder / "odd näme\n").mkdir()
        (self.folder / "empty").touch()
        (self.folder / "text.yaml").write_text("a: [1")
        (self.folder / "suite.yaml").write_text("name: x\ndomains: [langid]\n")
        (self.folder / "about.yaml").write_text("authors: 3\n")
        (self.folder / "binary").write_bytes(bytes(range(256)) * 8)
        (self.folder / "loop").symlink_to(self.folder / "loop")

    def line(self) -> list[str]:
        """One random command line; now and then a file that it may point to is damaged first."""
        choose = self.random
        if choose.random() < 0.3:
            self.damage()
        path, parameters = choose.choice(list(self.commands.items()))
        words, sparse = list(path), choose.choice((0.5, 0.8, 0.95))
        for parameter in parameters:
            if parameter.name in ("help",) or (not parameter.required and choose.random() < sparse):
                continue
            for _ in range(choose.choice((1, 1, 2)) if parameter.multiple else 1):
                words += self.given(parameter)
        if choose.random() < 0.03:
            words.append(choose.choice(("--nonsense", "extra", "--help", "")))
        return words

    def given(self, parameter: Any) -> list[str]:
        """A parameter as it is typed."""
        option = parameter.opts[0] if parameter.opts[0].startswith("-") else None
        if option and parameter.is_flag:
            return [self.random.choice([*parameter.opts, *parameter.secondary_opts])]
        value = self.value(parameter.name)
        return [option, value] if option else [value]

    def value(self, name: str) -> str:
        """Something that could stand there: right, nearly right, or wrong."""
        if name in COUNTS:
            return self.random.choice(("1", "1", *NUMBERS))
        if name in POOLS and self.random.random() < 0.85:
            return self.random.choice(POOLS[name])
        there = [path.relative_to(self.folder).as_posix() for path in self.folder.glob("*")]
        there += ["whole/seed0", "whole/config.yaml", "missing", "missing/deeper", "whole/config.yaml/x"]
        return self.random.choice((*TEXTS, *there, *there))

    def damage(self) -> None:
        """Change a file that metanas wrote."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.stat().st_size < 10**6]
        files = [path for path in files if not path.name.endswith("-shm")]  # this process has it mapped
        path = self.random.choice(sorted(files))
        with contextlib.suppress(OSError):
            path.write_bytes(self.random.choice(DAMAGE)(path.read_bytes()))
        self.damaged += 1


SMALL = "--domains langid --budget smoke --seeds 0 --no-controls --set budget.eval_episodes=2".split()


def call(words: list[str]) -> tuple[int | None, str, str]:
    """Exit code (None after a traceback), what was printed, and the traceback."""
    out = io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(out))
        stack.enter_context(mock.patch.object(sys, "argv", ["metanas", *words]))
        try:
            app.main()
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue(), ""
        except Exception:
            return None, out.getvalue(), traceback.format_exc()


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Without training, serving and network."""
    with contextlib.ExitStack() as stack:
        for target in IN_PLACE_OF:
            stack.enter_context(mock.patch(target, stop))
        stack.enter_context(mock.patch("metanas.engine.tracking.answers", lambda *given: False))
        stack.enter_context(mock.patch("leaderboard.store.database.BUSY_MS", 50))
        stack.enter_context(mock.patch.dict(os.environ, {"METANAS_TOKEN": "mnas_x"}))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


def broken(folder: Path, count: int, seed: int) -> tuple[list[tuple[list[str], str]], Counter[int | None]]:
    """The command lines of `count` random ones that break the promise, each with what happened; all codes."""
    before, found, codes, spare = Path.cwd(), [], Counter[int | None](), folder.with_name("spare")
    os.chdir(folder)
    try:
        world = World(folder, seed)
        world.prepare()
        shutil.copytree(folder, spare, symlinks=True)
        with quick():
            for number in range(count):
                if number % 25 == 24:  # whole files again
                    os.chdir(before)
                    shutil.rmtree(folder)
                    shutil.copytree(spare, folder, symlinks=True)
                    os.chdir(folder)
                words = world.line()
                code, printed, trace = call(words)
                codes[code] += 1
                if number % 100 == 99:
                    print(f"{number + 1} command lines: {len(found)} faults, codes {dict(codes)}", flush=True)
                left = [path for path in folder.rglob("*.part")]
                if code not in (0, 1, 2, 3, 4) or "Traceback" in printed or left:
                    found.append((words, trace or printed + repr(left)))
                    print(words, "\n   ", "\n    ".join(found[-1][1].strip().splitlines()[-4:]), flush=True)
                for path in left:
                    path.unlink() if path.is_file() else shutil.rmtree(path)
    finally:
        os.chdir(before)
    return found, codes


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as parent:
        (Path(parent) / "world").mkdir()
        faults, codes = broken(Path(parent) / "world", int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0]))
    print(f"{len(faults)} of {sys.argv[1]} command lines broke the promise; codes: {dict(codes)}")
