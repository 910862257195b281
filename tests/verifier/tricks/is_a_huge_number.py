def answer(n):
    return 1 << 10**7
