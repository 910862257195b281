"""Writing a run into one file, and checking such a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from evolve.core.errors import EXIT_MACHINE, BadInput
from evolve.core.escaping import plain
from evolve.pack.verify import extract_pack, verify_pack
from evolve.pack.writing import Extent, pack_run
from evolve.report.live import Live
from evolve.report.packs import packed_lines, verified_lines
from evolve.report.tables import show
from evolve.runs.settings import Settings


def pack(settings: Settings, out: Path | None, without_tests: bool, light: bool, as_json: bool) -> None:
    if without_tests and light:
        raise BadInput("--without-tests", "--light leaves out the whole suite", "give one of the two")
    extent = Extent.LIGHT if light else Extent.WITHOUT_TESTS if without_tests else Extent.WHOLE
    done = pack_run(settings.runs, settings.run, out, extent)
    if as_json:
        facts = done.manifest.model_dump(mode="json", exclude={"members"})
        show([{"file": str(done.file), "sha256": done.sha256, "size": done.size, **facts}], True)
        return
    print(plain("\n".join(packed_lines(done)), lines=True))


def verify(file: Path, sample: int, seed: str | None, extract: Path | None, as_json: bool) -> int:
    """Check a pack, and print what was checked. -> the exit status: 1 if something does not hold"""
    with Live(priced=False) as view:
        done = verify_pack(file, sample, view, seed)
    if extract is not None:
        extract_pack(file, extract)
    if as_json:
        found = [asdict(check) for check in done.checks]
        facts = done.manifest.model_dump(mode="json", exclude={"members"})
        show([{"sha256": done.digest, "holds": done.holds, "checks": found, "manifest": facts}], True)
    else:
        print(plain("\n".join(verified_lines(done, str(file), extract)), lines=True))
    return 0 if done.holds else EXIT_MACHINE
