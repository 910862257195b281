def answer(n):
    return answer(n)
