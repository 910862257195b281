"""Campaigns kept in a file of JSON lines, so that a table that was interrupted goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from evolve.loop.checkpoint import rule_digest
from gates.cell import CampaignFigures, Cell


class KeptCampaigns:
    """The campaigns in a file that were played by the code as it is now."""

    def __init__(self, file: Path) -> None:
        self._file, self._code = file, code_digest()
        self._known = dict(self._read())

    def of(self, cell: Cell, seeds: Sequence[int]) -> list[CampaignFigures]:
        return [self._known[cell, seed] for seed in seeds if (cell, seed) in self._known]

    def missing(self, cell: Cell, seeds: Sequence[int]) -> list[int]:
        return [seed for seed in seeds if (cell, seed) not in self._known]

    def add(self, cell: Cell, seeds: Sequence[int], campaigns: Sequence[CampaignFigures]) -> None:
        lines = (
            json.dumps({"code": self._code, "cell": asdict(cell), "seed": seed, "figures": asdict(campaign)}) + "\n"
            for seed, campaign in zip(seeds, campaigns, strict=True)
        )
        with self._file.open("a", encoding="utf-8") as file:
            # The line before may have been cut off.
            file.write("".join(["\n", *lines]))

    def _read(self) -> Iterator[tuple[tuple[Cell, int], CampaignFigures]]:
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else ():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row["code"] == self._code:
                yield (Cell(**row["cell"]), row["seed"]), CampaignFigures(**row["figures"])


def code_digest() -> str:
    """The sha256 of the code that a campaign's figures follow from."""
    digest = hashlib.sha256(rule_digest().encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()
