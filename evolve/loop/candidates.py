"""A run's candidates as commits, and their files as text and on disk."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.config import COMMERCIAL_USE, AskedModel, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Proposal, ScaffoldSource
from evolve.guard.excluded import HiddenFiles
from evolve.repo import Author, BadPatch, Lineage
from evolve.store import RoundRow
from evolve.suite import scaffold

# From scaffold.toml and the scaffold's folder to the image of its containers; None: the base image.
FindImage = Callable[[scaffold.ScaffoldFile, Path], str | None]


@dataclass(frozen=True)
class Candidates:
    """Make and read the commits of a run.

    Reading a commit that holds a hidden file raises BadInput, so that it enters neither a container nor a prompt.

    folder: the run's own under the runs folder; base_image: for scaffolds that name no image; author: the name of the
    model that proposes; trailers: of each commit, as a function of the stored config, so that a resumed run makes the
    same commits; hidden: the files of the suite that no scaffold may hold; find_image: finds or builds a
    scaffold's own image; outside: paths in the scaffold's folder that don't belong
    to it.
    """

    run: str
    lineage: Lineage
    folder: Path
    base_image: str
    author: str
    trailers: Mapping[str, str] = field(default_factory=dict)
    hidden: HiddenFiles = field(default_factory=HiddenFiles)
    find_image: FindImage | None = None
    outside: tuple[str, ...] = ()

    def texts(self, commit: str) -> Mapping[str, str]:
        """The scaffold's text files at a commit, by path."""
        check_hidden(self.lineage, commit, self.hidden)
        return text_files(self.lineage, commit)

    def spec(self, commit: str) -> scaffold.ScaffoldFile:
        """The scaffold.toml of a commit. Raises BadInput if it is broken."""
        return scaffold.read(commit[:12], self.lineage.files(commit))

    def export(self, commit: str) -> ScaffoldSource:
        """Write a commit's files to disk, unless they are there.

        Raises:
            BadInput: The scaffold.toml is broken, or it holds hidden files.
        """
        check_hidden(self.lineage, commit, self.hidden)
        spec = self.spec(commit)
        folder = self.lineage.export(commit, self.folder / "candidates" / commit[:16])
        image = self.find_image(spec, folder) if self.find_image else spec.image_name
        launch, own = spec.launch, image or self.base_image
        if launch.in_task:
            return ScaffoldSource(folder.resolve(), spec.entry or "", self.base_image, launch, image or "")
        return ScaffoldSource(folder.resolve(), spec.entry or "", own, launch)

    def commit(self, row: RoundRow, parent: Candidate, proposal: Proposal) -> str | BadPatch:
        """Commit the patched parent, without a branch. The same round and proposal give the same commit.

        Returns:
            The commit, or why the patch can't be one.
        """
        author, when = Author(self.author, "model@evolve.invalid"), row.started_at
        message, edits = proposal.hypothesis, None if proposal.null_copy else proposal.edits
        try:
            return self.lineage.commit_candidate(
                self.run, row.number, parent.commit, edits, message, author, when, self.trailers
            )
        except BadPatch as bad:
            return bad


def licence_trailers(config: RunConfig) -> dict[str, str]:
    """Trailers about the licences of the run's models; none for a model without statements about its licence."""
    models = [model for model in config.models if model.terms.statements]
    demands = {"Evolve-Model-Duties": "duties", "Evolve-Model-Prohibited-Uses": "prohibited"}
    trailers = {"Evolve-Model-Licence": "; ".join(_licence(model) for model in models)}
    for key, kind in demands.items():
        texts = [text for model in models for stated in model.terms.statements for text in getattr(stated, kind)]
        trailers[key] = "; ".join(dict.fromkeys(texts))
    return {key: text for key, text in trailers.items() if text}


def _licence(model: AskedModel) -> str:
    names = dict.fromkeys(stated.licence for stated in model.terms.statements)
    return f"{model.model}: {' and '.join(names)}, {COMMERCIAL_USE[model.terms.commercial]}"


@functools.lru_cache(maxsize=512)
def text_files(lineage: Lineage, commit: str) -> Mapping[str, str]:
    """The text files of a commit, by path. Cached: each round compares its patch with all earlier ones."""
    return {path: text for path, text in lineage.files(commit).items() if isinstance(text, str)}


@functools.lru_cache(maxsize=512)
def check_hidden(lineage: Lineage, commit: str, hidden: HiddenFiles) -> None:
    """Raise BadInput if a commit holds a hidden file of the suite, under whatever name."""
    for path, content in lineage.files(commit).items():
        if copied := hidden.copied(content):
            problem = f"its file {path} has the content of {copied}, which no scaffold may see"
            raise BadInput(
                f"commit {commit[:12]}", problem, "remove it from the scaffold, and start a run with --run new"
            )
