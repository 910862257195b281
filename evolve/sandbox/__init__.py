"""Docker: the only place that speaks to the container engine."""
