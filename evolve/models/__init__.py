"""Model profiles: who serves a model, its prices and its licence; and choosing one for a run."""
