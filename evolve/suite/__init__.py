"""What people write: tasks, suites and scaffolds."""
