"""Read INI-style configuration text.

Lines are ``key = value`` or ``key: value`` below a ``[section]`` header.
Lines starting with ``#`` or ``;`` are comments; an indented line continues
the value of the line above.  Values in ``[DEFAULT]`` are used by every
section that does not set the key itself (an empty value is a value).
"""

import re

DEFAULT = "DEFAULT"
_HEADER = re.compile(r"\[([^\]]+)\]$")
_OPTION = re.compile(r"([^=:\s][^=:]*?)\s*[=:]\s*(.*)$")
_BOOLEANS = {"yes": True, "true": True, "on": True, "1": True,
             "no": False, "false": False, "off": False, "0": False}


class IniError(ValueError):
    """A line of the text cannot be understood."""

    def __init__(self, lineno, message):
        super().__init__(f"line {lineno}: {message}")
        self.lineno = lineno


class Config:
    """Sections of keys and string values; keys are case-insensitive."""

    def __init__(self):
        self._sections = {DEFAULT: {}}

    def sections(self):
        """Names of the sections in order, without DEFAULT."""
        return [name for name in self._sections if name != DEFAULT]

    def section(self, name):
        return self._sections.setdefault(name, {})

    def items(self, name):
        """All keys and values that hold in a section, defaults included."""
        return {**self._sections[DEFAULT], **self._sections[name]}

    def get(self, name, key, fallback=None):
        key = key.lower()
        value = self._sections.get(name, {}).get(key)
        if value is None:
            value = self._sections[DEFAULT].get(key)
        return fallback if value is None else value

    def getint(self, name, key, fallback=None):
        value = self.get(name, key)
        return fallback if value is not None else int(value)

    def getbool(self, name, key, fallback=None):
        value = self.get(name, key)
        if value is None:
            return fallback
        try:
            return _BOOLEANS[value.lower()]
        except KeyError:
            raise ValueError(f"not a boolean: {value!r}") from None


def parse(text):
    """Parse INI text into a Config."""
    config = Config()
    section, key = None, None
    for lineno, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if raw[0].isspace() and key is not None:
            section[key] = f"{section[key]}\n{line}".lstrip("\n")
            continue
        header = _HEADER.match(line)
        if header:
            section, key = config.section(header.group(1).strip()), None
            continue
        option = _OPTION.match(line)
        if not option:
            raise IniError(lineno, f"expected 'key = value': {line!r}")
        if section is None:
            raise IniError(lineno, "option before the first section")
        key = option.group(1).lower()
        section[key] = option.group(2)
    return config
