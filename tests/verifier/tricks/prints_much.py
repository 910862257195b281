def answer(n):
    print("x" * 10**6)
    return 0
