"""Semantic versions: MAJOR.MINOR.PATCH with an optional pre-release."""

import re
from functools import total_ordering

_PATTERN = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+\S+)?")


@total_ordering
class Version:
    """A version; build metadata is dropped, missing numbers are zero."""

    def __init__(self, major, minor=0, patch=0, pre=""):
        self.major, self.minor, self.patch, self.pre = major, minor, patch, pre

    @classmethod
    def parse(cls, text):
        found = _PATTERN.fullmatch(text.strip())
        if not found:
            raise ValueError(f"not a version: {text!r}")
        numbers = [int(part or 0) for part in found.groups()[:3]]
        return cls(*numbers, found[4] or "")

    def _key(self):
        pre = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.pre.split(".")]
        return (self.major, self.minor, self.patch, not self.pre, pre)

    def __eq__(self, other):
        return self._key() == other._key()

    def __lt__(self, other):
        return self._key() < other._key()

    def __repr__(self):
        text = f"{self.major}.{self.minor}.{self.patch}"
        return f"{text}-{self.pre}" if self.pre else text
