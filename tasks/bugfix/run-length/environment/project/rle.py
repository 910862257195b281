"""Run-length coding of texts without digits: "aaab" <-> "3ab"."""


def runs(text):
    """Yield (character, length) for every run in the text."""
    previous, length = "", 0
    for char in text:
        if char == previous:
            length += 1
        else:
            if length:
                yield previous, length
            previous, length = char, 1
    if length:
        yield previous, length


def encode(text):
    """Return the coded text; runs of one are written without a number."""
    parts = []
    for char, length in runs(text):
        if char.isdigit():
            raise ValueError(f"cannot encode digit {char!r}")
        parts.append(char if length == 1 else f"{length}{char}")
    return "".join(parts)


def decode(code):
    """Return the text that was coded."""
    parts = []
    number = 0
    for char in code:
        if char.isdigit():
            number = number * 10 + int(char)
        else:
            parts.append(char * (number and 1))
            number = 0
    if number:
        raise ValueError("number without a character at the end")
    return "".join(parts)
