"""The files that people write: tasks, suites and scaffolds."""
