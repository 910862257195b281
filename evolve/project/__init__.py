"""Setting up a project: `evolve init` and `evolve tasks new`."""
