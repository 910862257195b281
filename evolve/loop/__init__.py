"""The rounds of a run: propose, check, measure, decide."""
