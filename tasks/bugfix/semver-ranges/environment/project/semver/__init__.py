"""Semantic versions and version ranges."""

from .ranges import satisfies
from .version import Version

__all__ = ["Version", "satisfies"]
