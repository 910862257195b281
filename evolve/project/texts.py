"""The configuration files that `evolve init` writes, as texts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from evolve.core.config import TrialLimits
from evolve.core.gate_config import GateConfig
from evolve.core.records import SandboxSpec, Split, SuiteProfile
from evolve.project.quoting import quoted
from evolve.project.starts import Start

SANDBOX_KEYS = ("cpus", "memory_mb", "pids", "disk_mb")
GATE_KEYS = ("rule", "risk", "race", "ablate_every")
LINE = 100
# Examples for keys that have no default.
UNSET_LIMITS = (
    "# seconds = 900  # default: the task's own `agent.timeout_sec`",
    "# commands = 200  # default: no limit",
)


def evolve_toml(scaffold: str, suite: str) -> str:
    """`evolve.toml` with the two folders set, and all other keys commented out with their defaults."""
    sandbox, gate = asdict(SandboxSpec()), GateConfig().model_dump()
    return "\n".join(
        [
            "# The settings of this project. Environment variables and options override them.",
            f"scaffold = {quoted(scaffold)}  # folder of the scaffold to improve",
            f"suite = {quoted(suite)}  # folder of the suite, with its suite.toml",
            "",
            "# All other settings, with their defaults. Remove the `#` to change one.",
            '# model = "embedded"  # or PROFILE/MODEL, see `evolve models`; needs its key in the environment',
            '# base_url = ""  # OpenAI-compatible endpoint; default: the one of the profile',
            "# rounds = 10",
            "# seed = 0",
            "# jobs = 0  # trials at once; 0: one for each processor",
            "# budget_usd = 20.0  # cap on the whole run, in US dollars; default: none",
            *_table("limits", "the budget of one trial", TrialLimits().model_dump()),
            *UNSET_LIMITS,
            *_table("sandbox", "the scaffold's container", {key: sandbox[key] for key in SANDBOX_KEYS}),
            *_table("gate", "when a patch is kept, see docs/statistics.md", {key: gate[key] for key in GATE_KEYS}),
            "",
        ]
    )


def _table(name: str, about: str, defaults: Mapping[str, object]) -> list[str]:
    keys = [f"# {key} = {quoted(value)}" for key, value in defaults.items() if value is not None]
    return ["", f"# [{name}]  # {about}", *keys]


def scaffold_toml(name: str, start: Start | None, evolvable: Sequence[str]) -> str:
    """`scaffold.toml`; without a start, the line of its entry point is a comment."""
    example = '# entry = "main.py"  # run as `python3 main.py` for each trial'
    tables = start.tables if start else ()
    image = [] if tables else ['# image = "my-agent:latest"  # default: Python 3 and its standard library']
    return "\n".join(
        [
            f"name = {quoted(name)}",
            *(start.lines if start else [example]),
            f"evolvable = {quoted(list(evolvable))}  # the files that a patch may change or add",
            *image,
            *(["", *tables] if tables else []),
            "",
        ]
    )


def suite_toml(
    name: str,
    splits: Mapping[Split, Iterable[str]],
    seed: int | None = None,
    profile: SuiteProfile = SuiteProfile.STRICT,
) -> str:
    """`suite.toml`. seed: of the split, if it was drawn."""
    drawn = "" if seed is None else f"# The splits are stratified by difficulty, with seed {seed}.\n"
    rows = [f"{split} = {_list(sorted(splits.get(split, ())))}" for split in Split]
    loose = 'profile = "loose"  # for tasks that need root, see docs/tasks.md'
    chosen = loose if profile is SuiteProfile.LOOSE else f"# {loose}"
    head = f"{drawn}[suite]\nname = {quoted(name)}\n{chosen}\n"
    return "\n".join([head, "[splits]", *rows, ""])


def add_to_split(text: str, split: Split, task: str) -> str | None:
    """A `suite.toml` with one more task at the front of a split; None if the text can't be edited safely."""
    name, start = quoted(task), re.search(r"^\[splits\][ \t]*(#.*)?$", text, flags=re.M)
    if start is None:
        return None
    found = re.compile(rf"^[ \t]*{split}[ \t]*=[ \t]*\[", flags=re.M).search(text, start.end())
    if found is None:
        edited = f"{text[: start.end()]}\n{split} = [{name}]{text[start.end() :]}"
    else:
        rest = text[found.end() :]
        gap = f"\n    {name}," if rest.startswith("\n") else name if rest.lstrip().startswith("]") else f"{name}, "
        edited = text[: found.end()] + gap + rest
    return edited if _adds(text, edited, split, task) else None


def _adds(before: str, after: str, split: Split, task: str) -> bool:
    """Whether the edit did what it should and nothing else."""
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return False
    wanted = {**old["splits"], str(split): [task, *old["splits"].get(str(split), [])]}
    return new == {**old, "splits": wanted}


def _list(names: Sequence[str]) -> str:
    line = quoted(list(names))
    return line if len(line) <= LINE else "[\n" + "".join(f"    {quoted(name)},\n" for name in names) + "]"
