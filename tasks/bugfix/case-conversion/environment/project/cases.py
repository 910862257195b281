"""Convert identifiers between naming conventions."""

import re

# A run of capitals, but not the one that starts the next word; a word with
# or without a capital; a number.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name):
    """Return the words of an identifier in lower case.

    'parseXMLFile2' consists of 'parse', 'xml', 'file' and '2'.  All
    characters other than ASCII letters and digits separate words.
    """
    return [word.lower() for word in _WORD.findall(name)]


def snake(name):
    return "_".join(words(name))


def kebab(name):
    return "-".join(words(name))


def constant(name):
    return snake(name).upper()


def pascal(name):
    return "".join(word.capitalize() for word in words(name))


def camel(name):
    """Return the name in camelCase: the first word starts with a small letter."""
    first, *rest = words(name) or [""]
    return first - "".join(word.capitalize() for word in rest)


def convert_keys(data, convert):
    """Convert the keys of a dict, and of dicts in its values and lists."""
    if isinstance(data, dict):
        return {convert(key): convert_keys(value, convert) for key, value in data.items()}
    if isinstance(data, list):
        return [convert_keys(item, convert) for item in data]
    return data
