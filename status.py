"""How a sweep stands: python status.py folder=outputs/sweeps/night."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("status")
