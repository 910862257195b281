"""What makes two runs the same, wherever suite and scaffold are, and where a run's commits are found."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import AskedModel, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import SuiteProfile
from evolve.loop.watcher import SilentWatcher
from evolve.runs import opening
from evolve.runs.digests import folder_digest
from evolve.runs.identity import GIVEN_PRICE, began_alike, check_same, identity, resumed_config
from evolve.runs.repository import lineage_of
from evolve.runs.request import RunRequest
from evolve.runs.stored_config import stored
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite, load_suite
from tests.faults import victim

ROOT = Path(__file__).parents[1]


@pytest.fixture
def engineless() -> Iterator[None]:
    """Runs are played without containers."""
    with pytest.MonkeyPatch.context() as patch:
        victim.without_containers(patch)
        yield


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """An agent's own repository: its root is the scaffold, and its work tree is dirty."""
    folder = write(tmp_path / "agent", victim.FILES)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(folder, *words)
    return write(folder, {"main.py": "LEVEL = 2\n", "new.py": "", "__pycache__/x.pyc": "x", ".venv/bin/python": "x"})


def request(scaffold: Path, runs: Path, run: str | None = None) -> RunRequest:
    asked = victim.order(scaffold.parent, "any")
    return replace(asked, config=asked.config.model_copy(update={"scaffold": scaffold}), runs=runs, run=run)


def play(asked: RunRequest, rounds: int, suite: Suite | None = None) -> str:
    """Play the rounds; a run of 0 rounds is left as a kill leaves it. -> its name"""
    tasks = suite or victim.suite(asked.runs)
    try:
        with opening.open_run(asked, tasks, SilentWatcher()) as search:
            name = search.journal.run
            if rounds == 0:
                search.start()
                raise KeyboardInterrupt
            search.run_rounds(rounds)
    except KeyboardInterrupt:
        pass
    return name


def rows(runs: Path) -> list[RunRow]:
    with Store.open(runs / "evolve.db") as store:
        return store.runs()


def commits(runs: Path, run: str) -> list[str]:
    with Store.open(runs / "evolve.db") as store:
        return [candidate.commit for candidate in store.candidates(run)]


def earlier_digest(folder: Path) -> str:
    """As runs of earlier versions have it stored."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@pytest.mark.parametrize("name", ["scaffolds/single", "scaffolds/team", "tests/scaffolds/good"])
def test_the_digest_of_a_clean_scaffold_is_that_of_earlier_versions(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / name, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert folder_digest(ROOT / name, ROOT / "runs") == folder_digest(copy, tmp_path / "runs") == earlier_digest(copy)


def test_results_and_what_git_ignores_do_not_count(agent: Path) -> None:
    before = folder_digest(agent, agent / "runs")
    write(agent, {"runs/old/lock": "x", ".mypy_cache/x": "x", "secret.env": "", "evolve.toml": "rounds = 3"})
    write(agent, {".git/info/exclude": "*.env\n"})
    assert folder_digest(agent, agent / "runs") == before
    assert folder_digest(agent, agent / "elsewhere") != before
    write(agent, {"new.py": "x = 1\n"})
    assert folder_digest(agent, agent / "runs") != before


def test_suites_beside_the_scaffold_do_not_count(tmp_path: Path) -> None:
    folder = write(tmp_path / "agent", {"main.py": "x"})
    before = folder_digest(folder, tmp_path / "runs")
    write(folder, {"runs/evolve.db": "x", "runs/one/x": "x", "tasks/suite.toml": "x", "tasks/t/y": "x"})
    assert folder_digest(folder, tmp_path / "runs") == before
    assert folder_digest(write(folder, {"tools.py": "x"}), tmp_path / "runs") != before


def test_a_bundled_scaffold_has_its_digest_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_digest(Path("scaffolds/single"), tmp_path) == earlier_digest(ROOT / "scaffolds" / "single")


def test_a_bundled_scaffold_is_resumed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engineless: None
) -> None:
    """From a folder that has none of this name, and from another one."""
    monkeypatch.chdir(tmp_path)
    asked = request(Path("scaffolds/single"), tmp_path / "runs")
    names = set()
    for _ in range(2):
        with (
            contextlib.suppress(KeyboardInterrupt),
            opening.open_run(asked, victim.suite(tmp_path), SilentWatcher()) as search,
        ):
            search.journal.lineage.seed(search.journal.run, victim.AT)
            names.add(search.journal.run)
            raise KeyboardInterrupt
    (name,) = names
    assert rows(tmp_path / "runs")[0].scaffold == "scaffolds/single"
    found = lineage_of(rows(tmp_path / "runs")[0], tmp_path / "runs")
    assert found.git_dir == tmp_path / "runs" / name / "lineage.git" and found.seed_of(name)


def test_an_agents_own_repository_is_resumed_and_no_commit_has_results(agent: Path, engineless: None) -> None:
    asked = request(write(agent, {"evolve.toml": "rounds = 3"}), agent / "runs")
    first = play(asked, 0)
    assert play(asked, 3) == first
    assert len(rows(asked.runs)) == 1 and len(commits(asked.runs, first)) > 1
    for commit in commits(asked.runs, first):
        names = git(agent, "ls-tree", "-r", "--name-only", commit).splitlines()
        assert set(names) == {"main.py", "new.py", "scaffold.toml"}
    assert rows(asked.runs)[0].scaffold == str(agent)
    assert git(agent, "status", "--porcelain").splitlines() == [
        "M main.py",
        "?? .venv/",
        "?? __pycache__/",
        "?? evolve.toml",
        "?? new.py",
    ]


def test_results_of_an_earlier_version_are_left_out_too(agent: Path, engineless: None) -> None:
    write(agent, {"runs/old/lock": ""})
    name = play(request(agent, agent / "runs"), 0)
    assert "runs" not in git(agent, "ls-tree", "--name-only", commits(agent / "runs", name)[0])


def test_a_copy_of_the_scaffold_elsewhere_resumes_the_run(tmp_path: Path, engineless: None) -> None:
    first = play(request(write(tmp_path / "a" / "scaffold", victim.FILES), tmp_path / "runs"), 0)
    moved = Path(shutil.move(tmp_path / "a", tmp_path / "b")) / "scaffold"
    assert play(request(moved, tmp_path / "runs"), 0) == first
    write(moved, {"main.py": "LEVEL = 5\n"})
    assert play(request(moved, tmp_path / "runs"), 0) != first


@pytest.mark.parametrize(
    ("change", "own"),
    [
        ("edited", True),
        ("gone", False),
        *(
            pytest.param(change, own, marks=pytest.mark.slow)
            for change, own in (("edited", False), ("moved", True), ("moved", False), ("gone", True))
        ),
    ],
)
def test_a_named_run_goes_on_from_its_own_commits(
    tmp_path: Path, engineless: None, own: bool, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scaffold lies in a folder of a repository, or in none."""
    scaffold = write(tmp_path / "top" / "scaffold", victim.FILES)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    if not own:
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
            git(tmp_path / "top", *words)
    runs = tmp_path / "runs"
    name = play(request(scaffold, runs), 0)
    seed = commits(runs, name)
    if change == "edited":
        write(scaffold, {"main.py": "LEVEL = 8\n"})
    elif change == "moved":
        scaffold.rename(tmp_path / "top" / "other")
    else:
        shutil.rmtree(scaffold)
    row = rows(runs)[0]
    config = resumed_config(row, {"suite": tmp_path}, runs)
    assert play(RunRequest(config, runs, name, 2), 2) == name
    assert commits(runs, name)[: len(seed)] == seed
    assert lineage_of(row, runs).files(seed[0])["main.py"] == victim.FILES["main.py"]


def test_a_repository_that_moved_with_its_results_is_found(agent: Path, engineless: None) -> None:
    name = play(request(agent, agent / "runs"), 0)
    moved = agent.rename(agent.parent / "moved")
    row = rows(moved / "runs")[0]
    assert not Path(row.repository).exists()
    assert lineage_of(row, moved / "runs").seed_of(name) == commits(moved / "runs", name)[0]


def test_a_copy_of_repository_and_results_is_a_run_of_its_own(agent: Path, engineless: None) -> None:
    name = play(request(agent, agent / "runs"), 0)
    copy = agent.parent / "copy"
    shutil.copytree(agent, copy, symlinks=True)
    assert lineage_of(rows(copy / "runs")[0], copy / "runs").git_dir == copy / ".git"
    assert lineage_of(rows(agent / "runs")[0], agent / "runs").git_dir == agent / ".git"
    assert play(request(copy, copy / "runs"), 2) == name
    assert git(copy, "branch", "--list", "evolve/*").count("round-") > 1
    assert git(agent, "branch", "--list", "evolve/*").count("round-") == 1


def test_of_several_scaffolds_in_a_repository_the_runs_own_is_found(tmp_path: Path, engineless: None) -> None:
    top = write(tmp_path / "top", {f"a/single/{name}": text for name, text in victim.FILES.items()})
    write(top, {f"b/single/{name}": text + "# b\n" for name, text in victim.FILES.items()})
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(top, *words)
    name = play(request(top / "b" / "single", tmp_path / "runs"), 0)
    row = replace(rows(tmp_path / "runs")[0], scaffold="single")
    shutil.rmtree(top / "b")
    found = lineage_of(row, tmp_path / "runs")
    assert found.place.prefix == "b/single" and found.seed_of(name)


def test_a_run_without_repository_and_folder_is_named(tmp_path: Path, engineless: None) -> None:
    scaffold, runs = write(tmp_path / "scaffold", victim.FILES), tmp_path / "runs"
    name = play(request(scaffold, runs), 0)
    shutil.rmtree(scaffold)
    shutil.rmtree(runs / name / "lineage.git")
    with pytest.raises(BadInput, match=f"run {name}: its repository .* is missing"):
        lineage_of(rows(runs)[0], runs)


def test_a_scaffold_that_changed_before_the_first_commit_is_refused(tmp_path: Path, engineless: None) -> None:
    asked = request(write(tmp_path / "scaffold", victim.FILES), tmp_path / "runs", "first")
    with opening.open_run(asked, victim.suite(tmp_path), SilentWatcher()):
        pass
    write(tmp_path / "scaffold", {"main.py": "LEVEL = 7\n"})
    with pytest.raises(BadInput, match="has changed before the run's first commit"):
        play(asked, 1)


def row(config: RunConfig, suite: Suite, digest: str, at: str = "tasks/old", scaffold: str = "scaffolds/old") -> RunRow:
    text = identity(config, suite, digest)
    return RunRow("r", now(), 0, text, "0" * 64, at, scaffold, "m", None, "{}", "0", "/gone", None)


def test_paths_are_no_difference_and_digests_are(tmp_path: Path) -> None:
    suite, digest = victim.suite(tmp_path), folder_digest(ROOT / "scaffolds/single", tmp_path)
    old = row(RunConfig(suite=Path("tasks/old"), scaffold=Path("scaffolds/old")), suite, digest)
    here = RunConfig(suite=tmp_path, scaffold=ROOT / "scaffolds/single")
    assert began_alike(here, suite, tmp_path, old)
    assert not began_alike(here, replace(suite, tasks=suite.tasks[1:]), tmp_path, old)
    assert not began_alike(here.model_copy(update={"scaffold": ROOT / "scaffolds/team"}), suite, tmp_path, old)
    assert not began_alike(here.model_copy(update={"seed": 1}), suite, tmp_path, old)


def test_a_price_that_a_profile_changed_is_no_difference_and_one_that_is_given_is(tmp_path: Path) -> None:
    suite, digest = victim.suite(tmp_path), folder_digest(ROOT / "scaffolds/single", tmp_path)
    proposing = AskedModel(model="p", prompt_price=1.0, completion_price=2.0)
    prices = {"prompt_price": 1.0, "completion_price": 2.0, "proposed_by": proposing}
    began = RunConfig(suite=tmp_path, scaffold=ROOT / "scaffolds/single").model_copy(update=prices)
    old = row(began, suite, digest)
    dearer = proposing.model_copy(update={"prompt_price": 9.0, "cache_write_price": 9.0})
    listed = began.model_copy(update={"prompt_price": 3.0, "cached_price": 0.3, "proposed_by": dearer})
    assert began_alike(listed, suite, tmp_path, old)
    assert began_alike(began.model_copy(update={"prompt_price": None}), suite, tmp_path, old)
    terms = ModelTerms(price_source=GIVEN_PRICE)
    assert not began_alike(listed.model_copy(update={"terms": terms}), suite, tmp_path, old)
    assert began_alike(began.model_copy(update={"terms": terms}), suite, tmp_path, old)
    own = dearer.model_copy(update={"terms": terms})
    assert not began_alike(began.model_copy(update={"proposed_by": own}), suite, tmp_path, old)


def test_a_resumed_run_keeps_the_prices_that_it_began_with(tmp_path: Path, engineless: None) -> None:
    asked = request(write(tmp_path / "scaffold", victim.FILES), tmp_path / "runs")
    name, suite = play(asked, 0), victim.suite(tmp_path / "runs")
    dearer = replace(asked, config=asked.config.model_copy(update={"prompt_price": 5000.0}))
    with opening.open_run(dearer, suite, SilentWatcher()) as search:
        assert (search.journal.run, search.config.prompt_price) == (name, 1000.0)


def test_a_cap_in_dollars_needs_the_prices_that_the_run_began_with(tmp_path: Path, engineless: None) -> None:
    asked = request(write(tmp_path / "scaffold", victim.FILES), tmp_path / "runs")
    unpriced = replace(asked, config=asked.config.model_copy(update={"prompt_price": None}))
    play(unpriced, 0)
    capped = replace(asked, caps=Caps(usd=1.0))
    with (
        pytest.raises(BadInput, match="no price is known"),
        opening.open_run(capped, victim.suite(tmp_path / "runs"), SilentWatcher()),
    ):
        pass


def test_a_setting_that_differs_is_named_with_both_values(tmp_path: Path) -> None:
    suite = victim.suite(tmp_path)
    with pytest.raises(BadInput, match=r"^seed: run r has 3, not 4; "):
        check_same(RunConfig(seed=4), suite, row(RunConfig(seed=3), suite, "0"))
    with pytest.raises(BadInput, match=r"^gate\.risk: run r has 0\.01, not 0\.02; "):
        check_same(RunConfig.model_validate({"gate": {"risk": 0.02}}), suite, row(RunConfig(), suite, "0"))
    with pytest.raises(BadInput, match="the files of its suite have changed"):
        check_same(RunConfig(), replace(suite, tasks=suite.tasks[1:]), row(RunConfig(), suite, "0"))


def test_what_is_not_given_is_as_it_was_stored(tmp_path: Path) -> None:
    began = RunConfig.model_validate({"seed": 3, "gate": {"risk": 0.02, "race": 4}})
    old = row(began, victim.suite(tmp_path), "0", str(tmp_path))
    config = resumed_config(old, {}, tmp_path)
    assert (config.seed, config.gate, config.suite) == (3, began.gate, tmp_path)
    changed = resumed_config(old, {"gate": {"risk": 0.03}, "suite": tmp_path}, tmp_path)
    assert (changed.gate.risk, changed.gate.race) == (0.03, 4)


def test_another_scaffold_than_the_runs_is_refused(tmp_path: Path) -> None:
    single = ROOT / "scaffolds/single"
    old = row(RunConfig(), victim.suite(tmp_path), folder_digest(single, tmp_path), scaffold=str(tmp_path / "moved"))
    here = {"suite": tmp_path}
    assert resumed_config(old, {**here, "scaffold": single}, tmp_path).scaffold == single
    with pytest.raises(BadInput, match=r"^scaffold: run r began with .*moved, and .*team has other files"):
        resumed_config(old, {**here, "scaffold": ROOT / "scaffolds/team"}, tmp_path)


def test_relative_paths_are_found_beside_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bundled, name in (("tasks/bugfix", "tasks/mine"), ("scaffolds/single", "scaffolds/mine")):
        shutil.copytree(ROOT / bundled, tmp_path / "top" / name)
    suite = load_suite(tmp_path / "top" / "tasks/mine")
    old = row(RunConfig(), suite, "0", "tasks/mine", "scaffolds/mine")
    monkeypatch.chdir(write(tmp_path / "away", {"tasks/mine/suite.toml": "another suite"}))
    found = resumed_config(old, {}, tmp_path / "top" / "runs")
    assert (found.suite, found.scaffold) == (tmp_path / "top/tasks/mine", tmp_path / "top/scaffolds/mine")
    shutil.rmtree(tmp_path / "away" / "tasks")
    with pytest.raises(BadInput, match="its suite tasks/mine is missing"):
        resumed_config(old, {}, tmp_path / "away" / "runs")


@pytest.mark.parametrize("profile", list(SuiteProfile))
def test_digests_and_profile_are_stored_beside_the_config(tmp_path: Path, profile: SuiteProfile) -> None:
    suite = Suite(tmp_path, (), profile)
    values = json.loads(identity(RunConfig(), suite, "d"))
    assert (values["suite_profile"], values["suite_digest"], values["scaffold_digest"]) == (profile, suite.digest, "d")
    assert stored(row(RunConfig(), suite, "d"), "scaffold_digest") == "d"
