"""The command line as people use it: a process of its own, in a repository of its own."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evolve import __version__
from tests.forked import forked

ROOT = Path(__file__).parents[2]
TASKS = {"train": ["vending-machine", "lru-cache"], "validation": ["sorted-lookup"], "holdout": ["ring-buffer"]}

# Of this process alone: a run that starts removes the containers of the last one of its name.
FIRST, ALONE = f"first-{os.getpid()}", f"alone-{os.getpid()}"
# A gate that decides after a few trials, and scores of one attempt.
QUICK = ("--gate", "passes=1", "--gate", "tip_passes=1")
SHORT = (*QUICK, "--score-attempts", "1", "--holdout-attempts", "1")
# The rounds of the run that is shown from its start to its replay, and its options.
WHOLE_RUNS = [pytest.param(1, SHORT, id="short"), pytest.param(2, QUICK, id="whole", marks=pytest.mark.whole)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A git repository with the seed scaffold and a suite of four tasks."""
    shutil.copytree(ROOT / "scaffolds" / "single", tmp_path / "scaffolds" / "single")
    for names in TASKS.values():
        for name in names:
            shutil.copytree(ROOT / "tasks" / "bugfix" / name, tmp_path / "tasks" / "bugfix" / name)
    lines = [f"{split} = {json.dumps(names)}" for split, names in TASKS.items()]
    (tmp_path / "tasks" / "bugfix" / "suite.toml").write_text("[splits]\n" + "\n".join(lines))
    (tmp_path / ".gitignore").write_text("runs/\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return tmp_path


def evolve(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `home` without a key."""
    unwanted = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
    env = {key: value for key, value in os.environ.items() if key not in unwanted}
    command = [sys.executable, "-m", "evolve", *words]
    return subprocess.run(
        command, cwd=home, env={**env, **variables}, capture_output=True, text=True, timeout=300, check=False
    )


def rows(home: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(home / "runs" / "evolve.db") as database:
        return database.execute(query).fetchall()


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
@pytest.mark.parametrize(("rounds", "options"), WHOLE_RUNS)
def test_a_run_from_its_start_to_its_replay(home: Path, rounds: int, options: tuple[str, ...]) -> None:
    words = ("run", "--rounds", str(rounds), "--run", FIRST, *options)
    (home / "scaffolds" / "single" / "dirt.txt").write_text("the user's own, not committed")
    before = subprocess.run(["git", "status", "--porcelain"], cwd=home, capture_output=True, check=True).stdout
    done = evolve(home, *words, EVOLVE_SEED="3")
    assert done.returncode == 0, done.stderr
    assert "embedded" in done.stderr and "holdout" in done.stdout

    history = rows(home, "select round, verdict from history order by round")
    assert [row[0] for row in history] == [*range(rounds + 1)] and history[0][1] == "baseline"
    assert all(row[1] in ("keep", "stack", "revert", "refused") for row in history[1:])
    branches = subprocess.run(["git", "branch", "--list", "evolve/*"], cwd=home, capture_output=True, text=True)
    measured = [row[0] for row in rows(home, "select branch from candidate")]
    assert {*measured, f"evolve/{FIRST}/champion"} <= {line.strip("* ") for line in branches.stdout.splitlines()}
    after = subprocess.run(["git", "status", "--porcelain"], cwd=home, capture_output=True, check=True).stdout
    assert after == before

    assert json.loads(evolve(home, "history", "--json").stdout)[0]["run"] == FIRST
    assert "baseline" in evolve(home, "show", "0").stdout
    assert "champion" not in evolve(home, "lineage").stderr

    claimed = evolve(home, "claim", FIRST)
    assert claimed.returncode == 2 and claimed.stderr.count("\n") == 1, "one holdout task is no claim"

    replayed = evolve(home, "replay", f"evolve/{FIRST}/champion")
    assert replayed.returncode == 0 and "trials identical" in replayed.stdout, replayed.stdout + replayed.stderr
    _verify_elsewhere(home)
    _change_one_byte(home)
    replayed = evolve(home, "replay", f"evolve/{FIRST}/round-0000")
    assert replayed.returncode == 1 and "vending-machine" in replayed.stdout

    other = evolve(home, *words, EVOLVE_SEED="4")
    assert other.returncode == 2 and "seed: run" in other.stderr and "has 3, not 4" in other.stderr


def _verify_elsewhere(home: Path) -> None:
    """The run in one file, checked where neither its results nor its repository are; two trials are run again."""
    other = home.parent / f"{home.name}-other"
    other.mkdir()
    packed = evolve(home, "pack", FIRST, "-o", str(other / "run.zip"))
    assert packed.returncode == 0 and "of your repository that are not the scaffold's" in packed.stdout, packed.stderr
    done = evolve(other, "verify", "run.zip", "--sample", "2", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)
    assert {check["state"] for check in found["checks"]} == {"holds"}, found["checks"]
    assert found["checks"][-1]["detail"].startswith("2 of ")


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
def test_a_scaffold_is_calibrated_against_itself(home: Path) -> None:
    done = evolve(home, "calibrate", "--attempts", "2", "--rounds", "10", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)[0]
    assert set(found["rates"]) == {*TASKS["train"], *TASKS["validation"]}
    assert (found["attempts"], found["pairs"], found["rounds"]) == (2, 1, 10)
    assert found["cost"]["hours"] > 0
    assert rows(home, "select count(*) from holdout_look") == [(0,)]


def _change_one_byte(home: Path) -> None:
    """In the answer of the first model call of one recorded trial."""
    query = "select recording_path from trial where task = 'vending-machine' and attempt = 0 order by id limit 1"
    path = home / "runs" / str(rows(home, query)[0][0])
    text = gzip.decompress(path.read_bytes()).decode()
    events = [json.loads(line) for line in text.splitlines()]
    call = next(e for e in events if e["kind"] == "chat")["response"]["choices"][0]["message"]["tool_calls"][0]
    call["function"]["name"] = "X" + call["function"]["name"][1:]
    path.write_bytes(gzip.compress("".join(json.dumps(event) + "\n" for event in events).encode()))


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
def test_an_interrupted_run_goes_on_with_the_same_command(home: Path) -> None:
    command = [sys.executable, "-m", "evolve", "run", "--rounds", "1", *SHORT]
    process = subprocess.Popen(
        command, cwd=home, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=_listen
    )
    database = home / "runs" / "evolve.db"
    deadline = time.monotonic() + 120
    while not (database.exists() and _trials(home)):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command resumes it" in stderr
    counted = _trials(home)
    done = evolve(home, "run", "--rounds", "1", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "resuming run" in done.stderr and _trials(home) > counted
    assert rows(home, "select count(*) from run") == [(1,)]
    assert rows(
        home, "select count(*) from (select 1 from trial group by candidate_id, task, attempt having count(*) > 1)"
    ) == [(0,)]


def _listen() -> None:
    """Whoever runs the tests in the background may ignore interrupts, and a child would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _trials(home: Path) -> int:
    try:
        return int(str(rows(home, "select count(*) from trial")[0][0]))
    except sqlite3.OperationalError:
        return 0


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
def test_without_a_repository_the_lineage_is_under_runs(home: Path) -> None:
    shutil.rmtree(home / ".git")
    done = evolve(home, "run", "--rounds", "0", "--run", ALONE, *SHORT, GIT_CEILING_DIRECTORIES=str(home.parent))
    assert done.returncode == 0, done.stderr
    assert (home / "runs" / ALONE / "lineage.git").is_dir() and not (home / ".git").exists()


def _broken_task(home: Path) -> None:
    (home / "tasks" / "bugfix" / "lru-cache" / "task.toml").write_text("[environment]\ncpus = 'many'\n")


def _no_entry(home: Path) -> None:
    (home / "scaffolds" / "single" / "main.py").unlink()


def _bad_settings(home: Path) -> None:
    (home / "evolve.toml").write_text("round = 3\n")


BAD = [
    (["run"], {"EVOLVE_ROUNDS": "abc"}, "EVOLVE_ROUNDS", None),
    (["run", "--suite", "tasks/nothing"], {}, "suite.toml", None),
    (["run", "--scaffold", "scaffolds/none"], {}, "scaffolds/none", None),
    (["run"], {}, "cpus", _broken_task),
    (["run"], {}, "main.py", _no_entry),
    (["run", "--model", "gpt-nobody"], {}, "OPENAI_API_KEY", None),
    (["run", "--model", "embedded-nobody"], {}, "embedded-nobody", None),
    (["run", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"], {}, "base_url", None),
    (["run"], {"DOCKER_HOST": "unix:///nowhere.sock"}, "DOCKER_HOST", None),
    (["run", "--sandbox", "colour=red"], {}, "colour", None),
    (["run", "--sandbox", "memory_mb=1"], {}, "memory_mb", None),
    pytest.param(["run"], {"EVOLVE_RUNTIME": "nobodys"}, "runtime nobodys", None, marks=pytest.mark.docker),
    (["run", "--limit", "second=9"], {}, "did you mean `seconds`?", None),
    (["run", "--limit", "seconds=0"], {}, "--limit seconds", None),
    (["run"], {}, "evolve.toml: key `round`", _bad_settings),
    (["history"], {}, "evolve.toml: key `round`", _bad_settings),
    (["run", "--run", "../up"], {}, "run id", None),
    (["history"], {}, "no results yet", None),
    (["show", "x"], {}, "number", None),
    (["replay", "main"], {}, "no results yet", None),
]


@pytest.mark.parametrize(("words", "variables", "named", "spoil"), BAD)
def test_bad_input_gets_one_line_and_nothing_is_written(home, words, variables, named, spoil) -> None:  # type: ignore[no-untyped-def]
    if spoil:
        spoil(home)
    done = forked(home, *words, **variables)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and named in errors[0] and "Traceback" not in done.stderr
    assert not (home / "runs").exists()


@pytest.mark.slow
def test_a_bad_word_in_a_process_of_its_own_is_the_same(home: Path) -> None:
    alone, beside = (run(home, "run", EVOLVE_ROUNDS="abc") for run in (evolve, forked))
    assert (alone.returncode, alone.stderr) == (beside.returncode, beside.stderr) and "EVOLVE_ROUNDS" in alone.stderr


def test_the_version_is_told(home: Path) -> None:
    done = evolve(home, "--version")
    assert (done.returncode, done.stdout) == (0, f"evolve {__version__}\n")
