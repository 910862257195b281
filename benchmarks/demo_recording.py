"""Make the recording that `evolve demo` plays: `make demo-recording`, which takes a container engine and some minutes.

A few rounds with the embedded model on easy tasks of the bundled suite; packed without the files of its trials. The
seed scaffold is the good one of the tests, but for a flaw: it ends at the first tool call that is no JSON. Any seed
makes a real run; which patches it builds upon depends on the seed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from evolve.pack.writing import Extent, pack_run
from evolve.suite.bundled import bundled_suite

TARGET = Path(__file__).parent.parent / "evolve" / "report" / "demo.evolve.zip"
SCAFFOLD = Path(__file__).parent.parent / "tests" / "scaffolds" / "good"
FLAW = Path(__file__).with_name("demo_flaw.patch")
SIZES = {"train": 12, "validation": 6, "holdout": 6}
SEED, ROUNDS, RACE = 39, 4, 2


def main(seed: int = SEED, target: Path = TARGET, whole: Path | None = None) -> None:
    """Make the recording. whole: where a pack with all files goes too, for pictures of trials."""
    with TemporaryDirectory(prefix="evolve-demo-") as name:
        place = Path(name)
        _write_suite(place / "suite")
        shutil.copytree(SCAFFOLD, place / "scaffold", ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["git", "apply", str(FLAW)], cwd=place / "scaffold", check=True)
        words = [
            "--suite",
            "suite",
            "--scaffold",
            "scaffold",
            "--runs",
            "runs",
            "--model",
            "embedded",
            "--seed",
            str(seed),
        ]
        words += ["--rounds", str(ROUNDS), "--gate", f"race={RACE}", "--score-attempts", "1"]
        subprocess.run([sys.executable, "-m", "evolve", "run", *words], cwd=place, check=True)
        target.unlink(missing_ok=True)
        packed = pack_run(place / "runs", None, target, Extent.LIGHT)
        if whole is not None:
            pack_run(place / "runs", None, whole)
    print(f"{packed.file}: {packed.size / 1000:.0f} kB, sha256 {packed.sha256}")


def _write_suite(folder: Path) -> None:
    """The first easy tasks of each split of the bundled suite."""
    splits = tomllib.loads((bundled_suite() / "suite.toml").read_text("utf-8"))["splits"]
    chosen = {split: list(filter(_is_easy, splits[split]))[:count] for split, count in SIZES.items()}
    folder.mkdir()
    lines = [f"{split} = [{', '.join(map(repr, names))}]" for split, names in chosen.items()]
    (folder / "suite.toml").write_text("\n".join(["[splits]", *lines, ""]), "utf-8")
    for task in (task for names in chosen.values() for task in names):
        shutil.copytree(bundled_suite() / task, folder / task, ignore=shutil.ignore_patterns("__pycache__"))


def _is_easy(task: str) -> bool:
    metadata = tomllib.loads((bundled_suite() / task / "task.toml").read_text("utf-8"))["metadata"]
    return bool(metadata["difficulty"] == "easy")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(Path, sys.argv[2:4]))
