"""Evolve: improves the scaffold around a language model by measured, reproducible evolution."""

__version__ = "0.1.0"
