"""Joins of sorted streams of (key, value) rows."""
from .groups import UnsortedError, groups
from .joins import join
from .report import unmatched

__all__ = ["UnsortedError", "groups", "join", "unmatched"]
