"""Numbers of things in words."""


def counted(number: int, noun: str) -> str:
    """Return e.g. `1 launch` or `2 launches`."""
    several = f"{noun}es" if noun.endswith(("ch", "s")) else f"{noun}s"
    return f"{number} {noun if number == 1 else several}"
