"""Generated instances of tasks: the seed of each, and what a generator may write. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from evolve.core.errors import BadInput
from evolve.core.instances import FileContent, Instance
from evolve.core.records import Split, stable_hash

FOLDER = "instances"
GENERATOR = f"{FOLDER}/generate.sh"
INSTRUCTION = "instruction.md"
PARTS = ("workdir", "tests", "solution")
SCRIPTS = ("tests/test.sh", "solution/solve.sh")
# With the two bits of the split, a seed is below 2**53: every language reads it exactly.
HASH_BITS = 51
ALLOWED = f"write only {INSTRUCTION} and files in {', '.join(f'{part}/' for part in PARTS)}"
MAX_SHOWN = 80


def instance_seed(run_seed: int, split: Split, task: str, attempt: int) -> int:
    """The seed of a task's instance: all candidates share it on one attempt, and no two splits have one in common."""
    number = stable_hash(run_seed, "instance", split, task, attempt) >> (63 - HASH_BITS)
    return list(Split).index(split) << HASH_BITS | number


def parse_instance(where: str, seed: int, files: Mapping[str, FileContent]) -> Instance:
    """Check what a generator wrote for a seed. Raises BadInput, which names `where`."""
    if not files:
        raise BadInput(where, f"it wrote nothing for seed {seed}", ALLOWED)
    for path, file in files.items():
        if path != INSTRUCTION and not _is_allowed(path):
            raise BadInput(where, f"it wrote {ascii(path)[:MAX_SHOWN]}, which is no part of an instance", ALLOWED)
        if path in SCRIPTS and not file.executable:
            raise BadInput(where, f"{path} is not executable", "set its mode with chmod +x")
    return Instance(seed, _instruction(where, files), {path: files[path] for path in files if path != INSTRUCTION})


def _is_allowed(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[0] in PARTS and ".." not in parts


def _instruction(where: str, files: Mapping[str, FileContent]) -> str | None:
    if INSTRUCTION not in files:
        return None
    try:
        text = files[INSTRUCTION].data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(where, f"{INSTRUCTION} is not UTF-8 text: {error.reason}", "write it as UTF-8") from error
    if not text.strip():
        raise BadInput(where, f"{INSTRUCTION} is empty", "write an instruction, or leave the file out")
    return text
