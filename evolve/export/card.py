"""The dataset card: a README with the front matter that Hugging Face reads. Pure."""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from evolve import __version__
from evolve.core.config import COMMERCIAL_USE, RunConfig
from evolve.core.escaping import markdown
from evolve.core.records import Split
from evolve.export.dataset import DataFile
from evolve.export.selection import Selection
from evolve.runs.stored_config import stored

TEMPLATE = "card.md"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGEST = "1M<n<10M"


@dataclass(frozen=True)
class Card:
    """What a card tells. `licences`: of the tasks, by name; `left_out`: reasons with their number of trials."""

    selection: Selection
    files: Sequence[DataFile]
    licences: Mapping[str, str]
    left_out: Mapping[str, int]

    def text(self) -> str:
        """The page."""
        row, config = self.selection.row, self.selection.config
        values = {
            "front_matter": self._front_matter(),
            "run": markdown(row.id),
            "options": self._options(),
            "counts": self._counts(),
            "null_copies": self._null_copies(),
            "left_out": _bullets(f"{count} trials are left out: {reason}" for reason, count in self.left_out.items()),
            "model": markdown(config.model),
            "model_licence": _model_licence(config),
            "task_licences": self._task_licences(),
            "holdout": self._holdout(),
            "facts": _table(("what", "value"), self._facts()),
            "files": _table(("file", "bytes", "sha256"), [(f.path, f.bytes, f.sha256) for f in self.files]),
            "tasks": _table(("task", "split", "digest", "licence"), self._tasks()),
            "seed": str(row.seed),
            "version": __version__,
        }
        page = resources.files("evolve.export").joinpath(TEMPLATE).read_text("utf-8")
        return string.Template(page).substitute(values)

    def _front_matter(self) -> str:
        """YAML whose values are JSON, so that no name can end a value."""
        rows = sum(file.rows for file in self.files)
        data = [{"split": str(file.split), "path": file.path} for file in self.files]
        values = {
            "pretty_name": f"Trajectories of run {self.selection.row.id}",
            # Who publishes decides; the card names what binds the choice.
            "license": "unknown",
            "task_categories": ["text-generation"],
            "tags": ["agent", "trajectories", "atif", "evolve"],
            "size_categories": [next((name for most, name in SIZES if rows < most), LARGEST)],
            "configs": [{"config_name": "default", "data_files": data}],
        }
        return "\n".join(f"{key}: {json.dumps(value)}" for key, value in values.items())

    def _counts(self) -> str:
        rows = [(file.split, file.tasks, file.rows, f"{100 * file.passed / file.rows:.1f} %") for file in self.files]
        return _table(("split", "tasks", "trials", "reward 1"), rows)

    def _null_copies(self) -> str:
        copies, rounds = self.selection.null_copies, self.selection.rounds
        if not copies:
            return ""
        trials = sum(len(rounds[number]) for number in copies)
        share = f"{len(copies)} of the {len(rounds)} rounds ({trials} trials) are null copies"
        return _bullets([f"{share}: unchanged copies of their parent, which show how often the gate keeps them"])

    def _options(self) -> str:
        """Those of the command that made the files."""
        words = [f"--split {split}" for split in self.selection.splits]
        return " ".join(words if self.selection.round is None else [f"--round {self.selection.round}", *words])

    def _task_licences(self) -> str:
        counts = Counter(self.licences[task.name] or "unknown" for task in self.selection.tasks)
        return ", ".join(f"{markdown(name)} ({count})" for name, count in sorted(counts.items())) or "unknown"

    def _holdout(self) -> str:
        if Split.HOLDOUT in self.selection.splits:
            return "They include the holdout, as was asked for: publishing it ends its use as one."
        return "The holdout's are not among them."

    def _facts(self) -> list[tuple[str, object]]:
        row = self.selection.row
        facts: list[tuple[str, object]] = [("run", row.id), ("started", row.created_at), ("seed", row.seed)]
        facts += [(name.replace("_", " "), stored(row, name)) for name in ("suite_digest", "scaffold_digest")]
        facts += [("config's sha256", row.config_sha256), ("model", row.model)]
        facts += [("base commit", row.base_commit), ("Evolve of the run", row.evolve_version)]
        return [(name, value) for name, value in facts if value is not None]

    def _tasks(self) -> list[tuple[object, ...]]:
        tasks = self.selection.tasks
        return [(task.name, task.split, task.digest, self.licences[task.name] or "unknown") for task in tasks]


def _model_licence(config: RunConfig) -> str:
    terms = config.terms
    if not terms.licence:
        return "unknown"
    source = f" (source: {markdown(terms.source)}, {markdown(terms.as_of) or 'undated'})" if terms.source else ""
    return f"{markdown(terms.licence)}; {COMMERCIAL_USE[terms.commercial]}{source}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([markdown(str(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {markdown(line)}." for line in lines)
