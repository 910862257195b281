"""Model profiles (who serves a model, its prices, its licence), and choosing a model for a run."""
