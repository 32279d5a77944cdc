"""What constructors check of their options."""


def check_range(name: str, value: float | None, inside: bool, allowed: str) -> None:
    """Raise a ValueError that names an option outside its range."""
    if not inside:
        raise ValueError(f"{name}={value} must lie {allowed}")
