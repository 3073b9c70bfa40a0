"""Environment of every test: quiet libraries, property tests that say the same on every machine of a build, and one
small home that is built once a session and copied by whoever changes it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # several threads wait for each other on a machine that does something else too
signal.signal(signal.SIGINT, signal.default_int_handler)  # under nohup it is ignored, and children inherit that
for setting in [name for name in os.environ if name.startswith("GENRET_") or name == "COLUMNS"]:
    del os.environ[setting]  # a developer's own home, settings or terminal must not reach a test

import pytest  # noqa: E402 - after the environment is set
from filelock import FileLock  # noqa: E402
from hypothesis import settings  # noqa: E402

from tests.support.databases import Database, Server, running  # noqa: E402
from tests.support.service import Service, served  # noqa: E402
from tests.support.small_corpus import TINY, Genret, write_documents  # noqa: E402
from tests.support.small_encoder import write_small_encoder  # noqa: E402

settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: one more than there are cores, since many tests wait for other processes; each takes 2 GB."""
    return min(4, (os.cpu_count() or 1) + 1)


FIRST = ("test_replay_gate.py", "test_home_of_the_version_before.py")
"""The longest test, for which the home is made, and one that brings its own and does not wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Go on with the files that need a home: they take long, and a run should end with short ones."""
    slow = {item.path for item in items if "ingested_home" in getattr(item, "fixturenames", ())}

    def order(item: pytest.Item) -> tuple[int, bool]:
        name = item.path.name
        return FIRST.index(name) if name in FIRST else len(FIRST), item.path not in slow

    items.sort(key=order)


Once = Callable[[str, Callable[[Path], None]], Path]
"""Gives the folder of a name, and makes it if it is not there."""


@pytest.fixture(scope="session")
def genret_process() -> Genret:
    """Run `genret ARGUMENTS --home HOME` as a user does: in a process of its own."""

    def run(*arguments: str, home: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "genret_ops.cli", *arguments, "--home", str(home)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr + done.stdout
        return done

    return run


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a folder once for all worker processes of a test run: the first that asks makes it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        path, partial = root / name, root / f"{name}.partial"
        with FileLock(root / f"{name}.lock"):
            if not path.exists():
                shutil.rmtree(partial, ignore_errors=True)
                make(partial)
                partial.rename(path)
        return path

    return folder


@pytest.fixture(scope="session")
def documents(made_once: Once) -> Path:
    """A folder of 62 good documents and one broken file of every kind. Read only: copy it to change it."""

    def make(folder: Path) -> None:
        folder.mkdir()
        write_documents(folder)

    return made_once("documents", make)


@pytest.fixture(scope="session")
def small_encoder(made_once: Once) -> Path:
    """A folder of weights that small homes encode with. Read only."""
    return made_once("encoder", write_small_encoder)


@pytest.fixture(scope="session")
def ingested_home(
    documents: Path, small_encoder: Path, made_once: Once, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A home with `documents` ingested and nothing built. Read only."""
    from assets.lib import runner
    from genret_ops.registry.home import Home

    def make(home: Path) -> None:
        home.mkdir()
        (home / "genret.toml").write_text(f'{TINY}\n[model]\nencoder = "{small_encoder}"\n')
        runner.ingest(Home(home), [str(documents)])

    return _copy(made_once("ingested-home", make), tmp_path_factory)


@pytest.fixture(scope="session")
def small_home(ingested_home: Path, made_once: Once, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with release r1. Read only: use `home_copy` to change it."""
    from assets.lib import runner
    from genret_ops.registry.home import Home

    def make(path: Path) -> None:
        home = Home(Path(shutil.copytree(ingested_home, path)))
        runner.build(home, home.settings)

    return _copy(made_once("built-home", make), tmp_path_factory)


def _copy(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of this worker's, since others may copy the shared one at any time."""
    return Path(shutil.copytree(home, tmp_path_factory.mktemp(home.name) / "home"))


@pytest.fixture
def home_copy(small_home: Path, tmp_path: Path) -> Path:
    """The built home, to do anything with."""
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.fixture(scope="session")
def _reading_home(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The built home after it has taken in a folder of its own, and that folder."""
    from assets.lib import runner
    from genret_ops.registry.home import Home

    base = tmp_path_factory.mktemp("reading")
    home, folder = (shutil.copytree(path, base / path.name) for path in (small_home, documents))
    runner.ingest(Home(home), [str(folder)], only=True)
    return home, folder


@pytest.fixture
def folder(_reading_home: tuple[Path, Path], documents: Path, home_copy: Path) -> Path:
    """The only source of `home_copy`, taken in as it is, to do anything with."""
    home, folder = _reading_home
    shutil.rmtree(home_copy)
    shutil.copytree(home, home_copy)
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(documents, folder))


@pytest.fixture(scope="session")
def service(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The HTTP service on a home like `small_home`, of which nothing is changed."""
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("served") / "home"))
    with served(home) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, started for the first test that asks and stopped at the end."""
    with running() as server:
        yield server


_numbers = count()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database for a registry, of either kind."""
    if request.param == "sqlite":
        return Database()
    server: Server = request.getfixturevalue("postgres")
    schema = f"home_{next(_numbers)}"
    return Database(server.url(schema), schema, server)


@pytest.fixture
def database_home(small_home: Path, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built home with its registry in either kind of database, to do anything with."""
    from genret_ops.maintenance.backup import backup, restore
    from genret_ops.registry.home import Home

    backup(Home(small_home), tmp_path / "home.tar")
    with monkeypatch.context() as patch:
        patch.setenv("GENRET_REGISTRY__URL", database.url)
        restore(tmp_path / "home.tar", tmp_path / "home")
    shutil.copytree(small_home / "cache", tmp_path / "home" / "cache")
    return database.used_by(tmp_path / "home")
