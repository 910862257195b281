"""What all tests share: their order, the skips that `make test` accepts, and fixtures.

`make test` runs several worker processes (pytest-xdist). The tests of a file stay together in one worker, but in the
places named in SPREAD each goes to the next free one. A session's fixture exists once in every worker.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from hypothesis import settings
from sqlalchemy import URL, Engine
from xdist.scheduler import LoadScopeScheduling

from evolve.gate import calibrate
from evolve.sandbox import engine
from evolve.store import Store, database, upgrading
from tests.built import build_shared
from tests.faults.endpoint import FaultyEndpoint, faulty_endpoint
from tests.faults.faulty_server import Plan
from tests.packed import Played, played
from tests.played import play
from tests.upstream import Upstream, scripted_upstream

TESTS = Path(__file__).parent

# Longest first, so that no worker is left alone with a long test at the end.
FIRST = (
    "faults/test_engine.py",
    "faults/test_run.py",
    "faults/test_kills.py",
    "probes/test_requests.py",
    "probes/test_failures.py",
    "e2e/",
    "integration/test_kills.py",
    "probes/",
    "integration/",
    "test_loop.py",
    "test_evaluate.py",
    "faults/",
    "adversarial/",
    "test_gate_simulator.py",
    "test_embedded_",
)
# Where most of a test's time is its own, not a fixture's. TOGETHER: its tests of one parameter share a long run.
SPREAD = ("adversarial/", "e2e/", "integration/", "faults/test_kills.py")
TOGETHER = "e2e/test_secrets.py"
WAITING = ("test_store", "test_room", "test_disk", "test_migrations", "test_demo")
# Beginnings of the reasons for a skip that `--strict-skips` accepts: what a machine may lack.
ACCEPTED_SKIPS = (
    "only root can",
    "a private engine needs root, and dockerd",
    "the base image has another Python",
    "the engine has no Unix socket",
    "EVOLVE_HARBOR names no Python",
    "EVOLVE_IMPORTS names no folder",
    "the command `docker` is missing",
    "EVOLVE_COMPOSE names no folder",
    "EVOLVE_ADAPTERS is not set",
    "EVOLVE_BROWSER is not set",
    "EVOLVE_DOCS is not set",
)
# Markers of tests with a real language model, and of whole runs of more than a minute.
OPT_IN = ("llm", "whole")
NO_ENGINE = "no container engine answers: `make setup` brings one"


# Properties are tried with the same examples every time, so that a commit that passed once passes again. `make long`
# sets EVOLVE_PROPERTY_EXAMPLES: new examples, and as many where a property has no number of its own.
EXAMPLES = os.environ.get("EVOLVE_PROPERTY_EXAMPLES")
settings.register_profile("evolve", max_examples=int(EXAMPLES or 25), deadline=None, derandomize=not EXAMPLES)
settings.load_profile("evolve")
# For git in tests: no sample hooks in new repositories, no housekeeping after commands.
GIT_SETTINGS = {"init.templateDir": "", "gc.auto": "0", "maintenance.auto": "false"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--strict-skips", action="store_true", help="fail if a test is skipped for an unexpected reason")


# Whole runs, also simulated ones, processes and real servers rather than units: `make unit` leaves them to `make test`.
WHOLE = (
    "adversarial/test_memorising.py", "adversarial/test_sizes.py", "e2e/", "faults/", "imitated/", "test_api.py",
    "test_benchmarks.py", "test_commands.py", "test_doctor.py", "test_evaluate.py", "test_gate_simulator.py",
    "test_gc.py", "test_guard_corpus.py", "test_identity.py", "test_local.py", "test_loop", "test_offline.py",
    "test_poisoned.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests, mark the slow ones, and skip what needs an engine if none answers."""
    _leave_out_unnamed(config, items)
    items.sort(key=_rank)
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(WHOLE):
            item.add_marker(pytest.mark.slow)
    marked = [item for item in items if item.get_closest_marker("docker")]
    if marked and "not docker" not in (config.option.markexpr or "") and not engine.answers():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=NO_ENGINE))


def _leave_out_unnamed(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests with a marker of OPT_IN run only if the expression of `-m` names it."""
    unnamed = {*OPT_IN} - {*re.findall(r"\w+", config.option.markexpr or "")}
    left_out = {item for item in items if any(map(item.get_closest_marker, unnamed))}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=[*left_out])


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


def _rank(item: pytest.Item) -> int:
    path = item.path.relative_to(TESTS).as_posix()
    known = (number for number, beginning in enumerate(FIRST) if path.startswith(beginning))
    return next(known, len(FIRST))


class Scheduler(LoadScopeScheduling):
    """Hands out whole files, or single tests. xdist_group marks have no effect: pytest 9.2 keeps ids as they are."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, name = nodeid.partition("::")
        if not path.removeprefix("tests/").startswith(SPREAD):
            return path
        return path + name[name.find("[") :] if path.endswith(TOGETHER) and "[" in name else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    return Scheduler(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and _unexpected_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for reason, count in _unexpected_skips(config).items():
        terminalreporter.write_line(f"unexpected skip of {count} tests: {reason}", red=True)


def _unexpected_skips(config: pytest.Config) -> Counter[str]:
    """How many tests were skipped for each reason that is not accepted; none without `--strict-skips`."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not config.getoption("strict_skips"):
        return Counter()
    reasons = [report.longrepr[2].removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])]
    return Counter(reason for reason in reasons if not reason.startswith(ACCEPTED_SKIPS))


@pytest.fixture(scope="session", autouse=True)
def git_settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_COUNT", str(len(GIT_SETTINGS)))
        for number, (name, value) in enumerate(GIT_SETTINGS.items()):
            patch.setenv(f"GIT_CONFIG_KEY_{number}", name)
            patch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the newest schema and no rows."""
    file = tmp_path_factory.mktemp("database") / "evolve.db"
    Store.open(file).close()
    return file


@pytest.fixture(scope="module", autouse=True)
def no_migration(request: pytest.FixtureRequest, empty_database: Path) -> Iterator[None]:
    """A new database is a copy of an empty one, and the migrations are read once. Tests of migrations do without."""
    if request.path.stem in WAITING:
        yield
        return
    open_engine, script = database._engine, ScriptDirectory.from_config(upgrading.alembic_config())

    def copying(url: URL) -> Engine:
        file = Path(str(url.database))
        if url.get_backend_name() == "sqlite" and file.parent.is_dir() and not file.exists():
            shutil.copy(empty_database, file)
        return open_engine(url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_engine", copying)
        patch.setattr(ScriptDirectory, "from_config", lambda _: script)
        yield


@pytest.fixture(scope="module", autouse=True)
def short_estimate(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a run says of its cost is simulated with four patches, not 40; test_calibrate.py has them all."""
    simulate = calibrate._null_patches
    with pytest.MonkeyPatch.context() as patch:
        if request.path.stem != "test_calibrate":
            patch.setattr(calibrate, "_null_patches", lambda *words: simulate(*words[:3], 4, *words[4:]))
        yield


@pytest.fixture(scope="module", autouse=True)
def no_power_cut(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing waits for the disk: no test cuts the power. Tests of what is written, and how, do wait."""
    if request.path.stem in WAITING:
        yield
        return
    settings = [line.replace("synchronous = FULL", "synchronous = OFF") for line in database._SETTINGS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(database, "_SETTINGS", settings)
        yield


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts are heard, also where the tests run in the background of a shell, which lets programs ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def task_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The shared tasks' images are there: what runs in another process need not build them. The base image's name."""
    return build_shared(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="session")
def upstream_process() -> Iterator[Upstream]:
    with scripted_upstream() as running:
        yield running


@pytest.fixture
def upstream(upstream_process: Upstream) -> Upstream:
    """The scripted endpoint of tests/upstream.py, without a script."""
    upstream_process.script()
    return upstream_process


@pytest.fixture(scope="session")
def failing_process() -> Iterator[FaultyEndpoint]:
    with faulty_endpoint() as running:
        yield running


@pytest.fixture
def failing(failing_process: FaultyEndpoint) -> FaultyEndpoint:
    """The endpoint of tests/faults, which fails by the plan that a test gives it."""
    failing_process.begin(Plan())
    return failing_process


@pytest.fixture(scope="session")
def played_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top, before = tmp_path_factory.mktemp("played"), Path.cwd()
    os.chdir(top)
    try:
        play()
    finally:
        os.chdir(before)
    return top


@pytest.fixture(scope="session")
def packed_run(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A finished run with a suite, and its pack; tests change neither."""
    return played(tmp_path_factory.mktemp("packed"))


@pytest.fixture
def played_home(
    played_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Path:
    """A finished run in the current folder; without an engine, but in tests that are marked to need one."""
    place = tmp_path / "home"
    shutil.copytree(played_template, place)
    monkeypatch.chdir(place)
    if not request.node.get_closest_marker("docker"):
        # Temporary folders of processes that other tests kill are not this run's.
        (tmp_path / "temporary").mkdir(exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        monkeypatch.setattr(engine, "answers", lambda: False)
    return place
