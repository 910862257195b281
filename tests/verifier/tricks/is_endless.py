import itertools


def answer(n):
    return itertools.count()
