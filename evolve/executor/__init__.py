"""Run many trials at once in worker processes."""
