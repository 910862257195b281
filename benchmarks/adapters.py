"""Measure what a trial of a bundled coding agent takes beside the same tool in a bare container.

    python benchmarks/adapters.py [--json] [--repeats R] [NAME...]

Each repeat runs the tool in a bare container and then a whole trial, both against an endpoint that answers with one
sentence. The tools' images must be there: `make test-adapters` builds them. benchmarks/README.md explains the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.answering import answering
from bench.figures import Figure, figure, rounded
from bench.trivial_task import Setup, set_up
from docker.types import Mount
from rich.console import Console
from rich.table import Table

from evolve.core.launch import INSTRUCTION_FILE, SCAFFOLD, gateway_variables
from evolve.core.records import ModelSpec, ScaffoldSource, TrialSpec
from evolve.sandbox import engine
from evolve.sandbox.agent_images import image_with_tools
from evolve.sandbox.inside import AGENT, SAFE_ENV
from evolve.sandbox.scaffold_images import built_name
from evolve.suite.scaffold import check_folder
from evolve.trial.run import run_trial
from evolve.trial.scaffold_run import filled_launch

SCAFFOLDS = Path(__file__).parents[1] / "scaffolds"
MEMORY_MB = 2048


@dataclass(frozen=True)
class Pair:
    """Seconds of one repeat: the bare container, the trial after it, and processor time of Evolve in the trial."""

    bare: float
    trial: float
    evolve_cpu: float


def adapters() -> Iterator[str]:
    """The bundled scaffolds that work in the task's container, with tools of their own."""
    for folder in sorted(SCAFFOLDS.iterdir()):
        spec = check_folder(folder)
        if spec.launch.in_task and spec.build_file:
            yield folder.name


def trial_of(name: str, setup: Setup, url: str) -> TrialSpec | None:
    """A trial of the trivial task by an agent; None if its image is not there."""
    folder = SCAFFOLDS / name
    spec = check_folder(folder)
    image = built_name(folder / str(spec.build_file), setup.base)
    if not engine.connect().images.list(image):
        return None
    task = replace(setup.task, sandbox=replace(setup.task.sandbox, memory_mb=MEMORY_MB))
    return replace(
        setup.spec(0),
        task=task,
        scaffold=ScaffoldSource(folder, "", setup.base, spec.launch, image),
        model=ModelSpec("scripted", base_url=f"{url}/v1", prompt_price=0, completion_price=0),
    )


def bare_seconds(spec: TrialSpec, url: str) -> float:
    """Seconds of the tool in a container without anything of Evolve's, from its creation to its removal."""
    launch = filled_launch(spec, url)
    image = image_with_tools(spec.image.image, spec.scaffold.tools_image, launch.tools)
    instruction = spec.task.folder / "instruction.md"
    mounts = [
        Mount(SCAFFOLD, str(spec.scaffold.folder), type="bind", read_only=True),
        Mount(INSTRUCTION_FILE, str(instruction), type="bind", read_only=True),
    ]
    began = time.monotonic()
    engine.connect().containers.run(
        image,
        list(launch.command),
        user=AGENT,
        network_mode="host",
        mounts=mounts,
        working_dir=spec.image.workdir,
        environment={**SAFE_ENV, **gateway_variables(url), **dict(launch.env)},
        mem_limit=f"{MEMORY_MB}m",
        nano_cpus=int(1e9),
        tmpfs={spec.image.workdir: "mode=1777", "/tmp": "mode=1777,exec"},
        remove=True,
    )
    return time.monotonic() - began


def measured_pair(spec: TrialSpec, url: str) -> Pair:
    bare = bare_seconds(spec, url)
    began, cpu = time.monotonic(), time.process_time()
    result = run_trial(spec)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    if not result.usage.calls:
        raise SystemExit(f"the agent asked nothing: {result.outcome}: {result.detail}")
    return Pair(bare, seconds, cpu)


def figures_of(pairs: list[Pair]) -> dict[str, Figure]:
    return {
        "tool_s": figure([pair.bare for pair in pairs]),
        "trial_s": figure([pair.trial for pair in pairs]),
        "overhead_s": figure([pair.trial - pair.bare for pair in pairs]),
        "evolve_cpu_s": figure([pair.evolve_cpu for pair in pairs]),
    }


def measure(names: list[str], setup: Setup, repeats: int, console: Console) -> dict[str, dict[str, Figure]]:
    """The figures of each agent, after a pair that warms up."""
    made: dict[str, dict[str, Figure]] = {}
    with answering() as url:
        for name in names:
            spec = trial_of(name, setup, url)
            if spec is None:
                console.print(f"{name}: skipped, its image is not there")
                continue
            console.print(f"{name} ...")
            measured_pair(spec, url)
            made[name] = figures_of([measured_pair(spec, url) for _ in range(repeats)])
    return made


def table(figures: dict[str, dict[str, Figure]]) -> Table:
    made = Table("agent", "tool, s", "trial, s", "overhead, s", "processor time of Evolve, s", title="Coding agents")
    for name, values in figures.items():
        made.add_row(name, *(values[key].format(2) for key in ("tool_s", "trial_s", "overhead_s", "evolve_cpu_s")))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds of a trial of a coding agent, beside those of its tool.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a bundled scaffold (default: all with tools)")
    parser.add_argument("--repeats", type=int, default=5, help="pairs for each agent (default 5)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and the table to stderr")
    given = parser.parse_args()
    console = Console(file=sys.stderr if given.json else sys.stdout, highlight=False)
    owner = f"benchmark-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="evolve-benchmark-") as name:
        Path(name).chmod(0o755)
        try:
            figures = measure(given.names or list(adapters()), set_up(Path(name), owner), given.repeats, console)
        finally:
            engine.sweep(owner)
    console.print(table(figures))
    load = os.getloadavg()[0]
    console.print(f"load of the machine: {load:.1f} on {os.cpu_count()} processors")
    if given.json:
        print(json.dumps({"agents": rounded(figures), "load": load}))


if __name__ == "__main__":
    main()
