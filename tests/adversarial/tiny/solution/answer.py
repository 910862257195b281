def answer():
    return 42


def words(text):
    return text.split()


def even(number):
    return number % 2 == 0
