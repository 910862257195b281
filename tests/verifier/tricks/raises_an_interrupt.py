def answer(n):
    raise KeyboardInterrupt
