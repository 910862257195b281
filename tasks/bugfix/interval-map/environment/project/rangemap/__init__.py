"""Maps from ranges of integers to values."""
from .rangemap import RangeMap
from .spans import Span

__all__ = ["RangeMap", "Span"]
