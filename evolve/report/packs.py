"""Format what was packed, and what was found out about a pack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evolve.core.escaping import plain
from evolve.pack.checks import Check, State
from evolve.pack.manifest import Manifest
from evolve.pack.verify import Verification
from evolve.pack.writing import Packed

MOST_SHOWN = 12
SUITES = {
    "whole": "the whole suite, with its hidden tests and solutions (--without-tests leaves them out)",
    "without tests": "the suite without tests and solutions: no trial can be run again",
    "absent": "no suite and no files of trials: to look at, not to run again",
}


def packed_lines(done: Packed) -> list[str]:
    """What is in a pack that was written, and how to check it."""
    manifest = done.manifest
    lines = [f"{done.file}: run {manifest.run}, {len(manifest.members)} files, {done.size / 1e6:.1f} MB"]
    lines.append(f"  sha256 {done.sha256}")
    lines.append(f"  suite: {SUITES[manifest.suite]}")
    if manifest.outside:
        lines.append(f"  it holds {manifest.outside} files of your repository that are not the scaffold's")
    if manifest.absent and manifest.suite != "absent":
        lines.append(f"  {len(manifest.absent)} files of trials are absent: `evolve gc` had removed them")
    return [*lines, f"  {manifest.outputs}", f"  check it anywhere: evolve verify {done.file}"]


def verified_lines(done: Verification, file: str, extracted: Path | None) -> list[str]:
    """What was checked, what holds and what does not."""
    lines = [plain(f"{file}: run {done.manifest.run}"), f"  sha256 {done.digest}", *_about(done.manifest)]
    width = max(len(check.name) for check in done.checks)
    for check in done.checks:
        lines += _check_lines(check, width)
    failed = sum(check.state is State.FAILS for check in done.checks)
    unknown = [check.name for check in done.checks if check.state is State.UNKNOWN]
    rest = f"; not checked: {', '.join(unknown)}" if unknown else ""
    lines.append(f"{failed} of {len(done.checks)} checks fail{rest}" if failed else f"all that was checked holds{rest}")
    if extracted is not None:
        lines.append(plain(f"look into it: evolve history --runs {extracted}"))
    return lines


def _about(manifest: Manifest) -> Iterator[str]:
    engine = str(manifest.facts.engine.get("engine", "unknown"))
    yield plain(f"  packed by evolve {manifest.evolve}, Python {manifest.python}; trials on {engine}")
    yield plain(f"  {manifest.outputs}")
    figures = manifest.claim.figures
    if figures is None:
        yield plain(f"  claim: none ({manifest.claim.why})")
        return
    values = [figures.get(key) for key in ("seed", "champion", "low", "high", "p_value")]
    if all(isinstance(value, int | float) for value in values):
        seed, champion, low, high, p = (float(str(value)) for value in values)
        yield f"  claim: seed scaffold {100 * seed:.1f} %, champion {100 * champion:.1f} % on the holdout"
        gain = f"difference {100 * (champion - seed):+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
        yield f"    {gain}, p = {p:.3g}"


def _check_lines(check: Check, width: int) -> list[str]:
    lines = [plain(f"  {check.state:<11}  {check.name:<{width}}  {check.detail}").rstrip()]
    shown = check.problems[:MOST_SHOWN]
    lines += [plain(f"    {problem}") for problem in shown]
    return lines + ([f"    and {len(check.problems) - len(shown)} more"] if len(check.problems) > len(shown) else [])
