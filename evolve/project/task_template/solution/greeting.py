def greet(name):
    """A greeting for one person."""
    return f"Hello, {name}!"
