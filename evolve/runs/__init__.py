"""Opening a run, replaying it, and what `evolve gc` removed of it."""
