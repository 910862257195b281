"""Many trials at once, in worker processes."""
