"""Stored trials in the formats of other tools: Harbor's viewer, OpenTelemetry, and a dataset."""
