def answer(n):
    x = []
    x.append(x)
    return x
