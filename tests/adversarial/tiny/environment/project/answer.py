def answer():
    return 0


def words(text):
    return [text]


def even(number):
    return number > 4
