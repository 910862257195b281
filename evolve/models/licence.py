"""What is known about a model's licence: statements of several sources, of which one decides."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from evolve.core.config import Commercial, LicenceStatement
from evolve.models.facts import Sourced

# From the strictest to the most lenient: the strictest statement holds, as all terms apply together.
STRICTNESS: tuple[Commercial, ...] = ("barred", "unknown", "conditions", "allowed")


class Licence(Sourced):
    """The terms under which a provider offers a model, as one source states them; no legal advice.

    summary: in our own words. duties: what users must do, such as showing a notice. prohibited: uses that are ruled
    out. own: it is from the user's file, and decides whatever the others say.
    """

    name: str = Field(min_length=1)
    commercial: Commercial = "unknown"
    summary: str = ""
    duties: tuple[str, ...] = ()
    prohibited: tuple[str, ...] = ()
    own: bool = False

    @property
    def statement(self) -> LicenceStatement:
        """The statement as it is stored with a run."""
        return LicenceStatement(
            licence=self.name,
            commercial=self.commercial,
            summary=self.summary,
            duties=self.duties,
            prohibited=self.prohibited,
            source=self.source,
            as_of=self.day,
        )


def ranked(licences: Sequence[Licence]) -> list[Licence]:
    """The statements, the one that decides first: the user's own, otherwise the strictest."""
    return sorted(licences, key=lambda licence: (not _decides(licence), STRICTNESS.index(licence.commercial)))


def _decides(licence: Licence) -> bool:
    return licence.own and licence.commercial != "unknown"
