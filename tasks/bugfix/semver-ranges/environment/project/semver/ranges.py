"""Version requirements.

A requirement is a list of conditions that must all hold, separated by
spaces: '>=1.2.0 <2.0.0', '=1.0.0', '~1.4' (same minor version) or '^1.2.3'
(no change of the left-most number that is not zero).
"""

import operator
import re

from .version import Version

_CONDITION = re.compile(r"(>=|<=|>|<|=|\^|~)?(.+)")
_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt,
            "<": operator.lt, "=": operator.eq}


def caret_limit(version):
    """Return the first version that a caret range no longer allows."""
    if version.major > 0:
        return Version(version.major + 1)
    if version.minor > 0:
        return Version(0, version.minor + 1)
    return Version(0, 0, version.patch + 1)


def tilde_limit(version):
    """Return the first version that a tilde range no longer allows."""
    return Version(version.major, version.minor + 1)


def satisfies(version, requirement):
    """Tell whether a version (text) meets a requirement."""
    version = Version.parse(version)
    for condition in requirement.split():
        op, text = _CONDITION.fullmatch(condition).groups()
        wanted = Version.parse(text)
        if op == "^":
            holds = wanted <= version < caret_limit(wanted)
        elif op == "~":
            holds = wanted <= version < tilde_limit(wanted)
        else:
            holds = _COMPARE[op or "="](wanted, version)
        if not holds:
            return False
    return True
