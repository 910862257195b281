"""Import tasks of other benchmarks, and of tables, into a suite of ordinary task folders."""

from __future__ import annotations

from evolve.project.importers.benchmark import (
    Benchmark,
    ImportedTask,
    Importer,
    ImportOptions,
    LeftOut,
    TaskFile,
    Unsuitable,
)

__all__ = ["Benchmark", "ImportOptions", "ImportedTask", "Importer", "LeftOut", "TaskFile", "Unsuitable"]
