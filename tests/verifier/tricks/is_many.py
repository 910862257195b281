def answer(n):
    return [[]] * 10**7
