"""Summary of the rows without partner."""
from .joins import match


def unmatched(left_rows, right_rows):
    """Return two lists: the keys only in the left and only in the right."""
    only_left, only_right = [], []
    for key, lefts, rights in match(left_rows, right_rows):
        if rights is None:
            only_left.append(key)
        elif lefts is None:
            only_right.append(key)
    return only_left, only_right
