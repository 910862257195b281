"""A stored run whose champion has patches, in a repository of a user who goes on working in it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.config import RunConfig
from evolve.core.records import Candidate, Decision, FileEdit, Outcome, Proposal, Split, TrialResult, Usage, Verdict
from evolve.repo import Author, Lineage
from evolve.repo.refs import round_branch
from evolve.store import RunRow, Store
from tests.fakes import task

RUN = "20261123-2144-quiet-otter"
WHEN = "2026-11-23T21:44:00+00:00"
MAIN = "from words import GREETING\n\nLEVEL = 1\n\n\n\ndef greet():\n    return GREETING\n\n\n\nLAST = 1\n"
SCAFFOLD: Mapping[str, str | bytes] = {
    "main.py": MAIN,
    "words.py": "GREETING = 'hello'\n",
    "prompts/system.md": "Be brief.\n",
    "prompts/old.md": "Unused.\n",
    "logo.bin": bytes(range(256)),
    "scaffold.toml": 'name = "greeter"\nentry = "main.py"\nevolvable = ["*"]\n',
}
TESTS = {
    "test_agent.py": "import sys\nsys.path.insert(0, 'agents/greeter')\nimport main\n\n\n"
    "def test_it_greets():\n    assert main.greet() and main.LEVEL == {level}\n"
}
# What rounds do: hypothesis, edits, verdict; the fate of the stack is that of a reverted round.
FIRST = ("raise the level\n\nA higher level tries harder.", [("main.py", MAIN.replace("LEVEL = 1", "LEVEL = 2"))])
SECOND = (
    "say it in the prompt",
    [
        ("prompts/system.md", "Be brief.\nThink first.\n"),
        ("prompts/new.md", "More.\n"),
        ("prompts/old.md", None),
        ("main.py", FIRST[1][0][1].replace("LAST = 1", "LAST = 2")),
    ],
)
THIRD = ("greet warmly", [("words.py", "GREETING = 'hello there'\n")])


def git(folder: Path, *words: str, stdin: bytes | None = None) -> str:
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words]
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().rstrip("\n")


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass(frozen=True)
class Home:
    """A folder with the user's repository `repo` and the results `runs`. `scaffold`: the folder that was evolved."""

    top: Path
    scaffold: Path

    @property
    def repo(self) -> Path:
        return self.top / "repo"

    @property
    def runs(self) -> Path:
        return self.top / "runs"

    def git(self, *words: str, stdin: bytes | None = None) -> str:
        return git(self.repo, *words, stdin=stdin)

    def state(self) -> tuple[str, ...]:
        """All of the repository that adopting must leave alone."""
        index = (self.repo / ".git" / "index").read_bytes().hex() if (self.repo / ".git" / "index").exists() else ""
        head = (self.repo / ".git" / "HEAD").read_text()
        files = sorted(path for path in self.repo.rglob("*") if ".git" not in path.parts and path.is_file())
        return head, index, *(f"{path}{path.stat().st_mode:o}{path.read_bytes().hex()}" for path in files)

    def branches(self) -> dict[str, str]:
        """The branches that adopting made, with their commits."""
        lines = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads/adopt").splitlines()
        return dict(line.split(" ") for line in lines)

    def files(self, rev: str, inside: str = "agents/greeter") -> dict[str, bytes]:
        """The scaffold's files at a commit."""
        names = self.git("ls-tree", "-r", "--name-only", "-z", f"{rev}:{inside}").split("\0")
        show = ["git", "-C", str(self.repo), "show"]
        return {
            name: subprocess.run(
                [*show, f"{rev}:{inside}/{name}".replace(":/", ":")], check=True, capture_output=True
            ).stdout
            for name in names
            if name
        }


def commit_repository(top: Path, inside: str = "agents/greeter", files: Mapping[str, str | bytes] = SCAFFOLD) -> Home:
    """A repository with one commit."""
    home = Home(top, top / "repo" / inside)
    write(home.scaffold, files)
    write(home.repo, {"README.md": "mine\n", ".gitignore": "*.log\n", **_tests(1)})
    (home.scaffold / "main.py").chmod(0o755)
    home.git("init", "-q", "--template=", "--initial-branch=main")
    home.git("add", "-A")
    home.git("commit", "-qm", "first")
    return home


def _tests(level: int) -> dict[str, str]:
    return {name: text.format(level=level) for name, text in TESTS.items()}


def play(
    home: Home,
    patches: Sequence[tuple[str, Sequence[tuple[str, str | None]]]] = (FIRST, SECOND),
    stacked: Sequence[tuple[str, Sequence[tuple[str, str | None]]]] = (),
    scaffold: Path | None = None,
    lineage: Lineage | None = None,
) -> Lineage:
    """Store a run that kept these patches, and stacked others on the champion."""
    lineage = lineage or Lineage.open(home.scaffold, home.runs / RUN / "lineage.git")
    parent = Candidate(lineage.seed(RUN, WHEN), 0, None, round_branch(RUN, 0))
    path = scaffold or home.scaffold
    with Store.open(home.runs / "evolve.db") as store:
        config = RunConfig(scaffold=path, model="scripted", prompt_price=1.0, completion_price=1.0)
        row = (WHEN, 0, config.canonical(), "0" * 64, "s", str(path), "scripted", None, "{}", "0")
        tasks = [task(f"{split}-{number}", split) for split in Split for number in range(3)]
        store.create_run(RunRow(RUN, *row, str(lineage.git_dir), None), tasks)
        store.start_race(RUN, [0], None, WHEN)
        store.add_candidate(RUN, parent)
        store.add_decision(RUN, 0, Decision(Verdict.BASELINE, "the seed"), WHEN)
        for number, (hypothesis, edits) in enumerate((*patches, *stacked), 1):
            verdict = Verdict.KEEP if number <= len(patches) else Verdict.STACK
            parent = _play_round(store, lineage, number, parent, hypothesis, edits, verdict)
    return lineage


def _play_round(
    store: Store,
    lineage: Lineage,
    number: int,
    parent: Candidate,
    hypothesis: str,
    edits: Sequence[tuple[str, str | None]],
    verdict: Verdict,
) -> Candidate:
    changes = tuple(FileEdit(path, text) for path, text in edits)
    sha = lineage.commit_candidate(RUN, number, parent.commit, changes, hypothesis, Author("scripted"), WHEN)
    candidate = Candidate(sha, number, parent.commit, round_branch(RUN, number))
    lineage.create_branch(candidate.branch, sha)
    store.start_race(RUN, [number], parent, WHEN)
    store.add_proposal(RUN, number, Proposal(hypothesis, f"more of round {number}", changes), "0" * 64, "m", WHEN)
    store.add_candidate(RUN, candidate)
    store.add_decision(RUN, number, Decision(verdict, f"+{number}.0 points after 28 trials"), WHEN)
    if verdict is Verdict.KEEP:
        lineage.set_champion(RUN, sha)
    return candidate


def measure(home: Home, rewards: Mapping[int, float]) -> None:
    """Add fresh trials of candidates on all tasks. rewards: by round."""
    with Store.open(home.runs / "evolve.db") as store:
        for candidate in store.candidates(RUN):
            for one in store.tasks(RUN) if candidate.round in rewards else ():
                reward = rewards[candidate.round]
                outcome = Outcome.PASSED if reward == 1 else Outcome.FAILED
                store.add_trial(
                    RUN,
                    TrialResult(candidate.commit, one.name, one.split, 1000, 7, outcome, reward, Usage(), WHEN, 1.0),
                )
