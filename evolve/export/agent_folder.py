"""Export a champion as an agent for Harbor: a folder that needs no Evolve."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any

from evolve.core.errors import BadInput
from evolve.core.launch import GATEWAY_URL
from evolve.core.records import Candidate, ModelSpec
from evolve.export.writing import check_free, new_folder
from evolve.repo import Lineage
from evolve.runs.ends import ends_of
from evolve.runs.lookup import open_results, run_row
from evolve.runs.patches import lineage_with
from evolve.runs.stored_config import stored_config
from evolve.sandbox.build_context import DOCKERFILE
from evolve.sandbox.resources import FILES
from evolve.sandbox.scaffold_images import write_context
from evolve.store import RunRow, Store
from evolve.suite import scaffold
from evolve.suite.scaffold import ScaffoldFile
from evolve.trial.gateway import edits
from evolve.trial.gateway.request import PASSED_FIELDS

TEMPLATES = Path(__file__).with_name("agent")
CODE = ("evolved_agent", "door_server")
README = "README.md"
# Folders of the agent: the scaffold's files, and what its image is built from if that is not one of their folders.
SCAFFOLD, IMAGE = "scaffold", "image"
# Those of a scaffold's container in a run, where `launch.py` leads the port to the door.
VARIABLES = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "TZ": "UTC",
    "OPENAI_BASE_URL": f"{GATEWAY_URL}/v1",
    "OPENAI_API_KEY": "door",
}
PROVIDERS = {"messages": "anthropic"}


@dataclass(frozen=True)
class ExportedAgent:
    """What was written. `confirmed`: whether it is the run's champion."""

    run: str
    round: int
    confirmed: bool
    model: str


def export_agent(runs: Path, run: str | None, target: Path, round_number: int | None = None) -> ExportedAgent:
    """Write the run's champion, or the candidate of a round, as an agent for Harbor into a new folder.

    Raises:
        BadInput: No such run or round, or a scaffold that runs in the task's container; the target exists.
        DiskFull: The disk is full.
    """
    check_free(target)
    with open_results(runs) as store:
        row = run_row(store, run)
        candidate, confirmed = _candidate(store, row, round_number)
    lineage = lineage_with(row, runs)
    spec = scaffold.read(candidate.commit[:12], lineage.files(candidate.commit))
    if not spec.entry:
        problem = "it runs in the task's container, where Harbor installs agents itself"
        raise BadInput(f"scaffold {spec.name}", problem, "run its tool with `harbor run --agent`")
    config = stored_config(row)
    done = ExportedAgent(row.id, candidate.round, confirmed, _model(config.model_spec))
    limits = asdict(config.limits.for_task(None))
    facts = {
        "name": f"evolved-{spec.name}",
        "version": candidate.commit[:12],
        "model": done.model or None,
        "entry": spec.entry,
        "image": spec.image_name,
        "dockerfile": _dockerfile(spec),
        "limits": limits,
        "fields": sorted(PASSED_FIELDS),
        "variables": VARIABLES,
    }
    with new_folder(target) as folder:
        _write(folder, lineage, candidate.commit, facts, _readme(done, spec.name))
        if spec.build_file and not spec.has_context:
            (folder / IMAGE).mkdir()
            write_context(folder / SCAFFOLD / spec.build_file, folder / IMAGE)
    return done


def _dockerfile(spec: ScaffoldFile) -> str | None:
    """The Dockerfile of the scaffold's image in the exported folder; None if it has none."""
    if not spec.build_file:
        return None
    return f"{SCAFFOLD}/{spec.build_file}" if spec.has_context else f"{IMAGE}/{DOCKERFILE}"


def _candidate(store: Store, row: RunRow, round_number: int | None) -> tuple[Candidate, bool]:
    """The candidate, and whether it is the champion."""
    ends = ends_of(store.milestones(row.id))
    if ends is None:
        raise BadInput(f"run {row.id}", "no round is decided yet", "resume the run")
    if round_number is None:
        return ends[0], True
    for candidate in store.candidates(row.id):
        if candidate.round == round_number:
            return candidate, candidate == ends[0]
    raise BadInput(f"round {round_number}", f"run {row.id} has no candidate of it", "see `evolve history`")


def _model(spec: ModelSpec) -> str:
    """The run's model as LiteLLM names it; "" for the embedded one, which only Evolve has."""
    return "" if spec.in_process else f"{PROVIDERS.get(spec.api, 'openai')}/{spec.name}"


def _readme(done: ExportedAgent, name: str) -> str:
    status = "It is the run's champion." if done.confirmed else "It is not the run's champion."
    values = {"name": name, "round": str(done.round), "run": done.run, "status": status}
    template = Template((TEMPLATES / README).read_text(encoding="utf-8"))
    return template.substitute(values, model=done.model or "PROVIDER/MODEL")


def _write(folder: Path, lineage: Lineage, commit: str, facts: dict[str, Any], readme: str) -> None:
    lineage.export(commit, folder / SCAFFOLD)
    (folder / "door").mkdir()
    for file in sorted(FILES.glob("*.py")):
        shutil.copyfile(file, folder / "door" / file.name)
    shutil.copyfile(str(edits.__file__), folder / "edits.py")
    for name in CODE:
        shutil.copyfile(TEMPLATES / f"{name}.txt", folder / f"{name}.py")
    (folder / "agent.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / README).write_text(readme, encoding="utf-8")
