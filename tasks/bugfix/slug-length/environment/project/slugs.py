"""Make URL slugs from titles."""

import re
import unicodedata


def slugify(title, max_length=None):
    """Return a slug: lower-case ASCII letters and digits, joined by hyphens.

    Accents are dropped, apostrophes vanish, everything else that is neither
    letter nor digit becomes a hyphen.  A slug never starts or ends with a
    hyphen and is no longer than `max_length`.
    """
    text = unicodedata.normalize("NFKD", title)
    text = text.replace("\u2019", "'").replace("'", "")
    text = text.encode("ascii", "ignore").decode("ascii").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", text)
    slug = slug.strip("-")
    if max_length is not None:
        slug = slug[:max_length].lstrip("-")
    return slug


def unique_slug(title, taken, max_length=None):
    """Return a slug that is not among those taken.

    The first free one of 'slug', 'slug-2', 'slug-3', ... is chosen; the text
    is shortened such that the number fits into `max_length`.
    """
    slug = slugify(title, max_length)
    number = 1
    while slug in taken:
        number += 1
        suffix = f"-{number}"
        room = None if max_length is None else max_length - len(suffix)
        slug = slugify(title, room) + suffix
    return slug
