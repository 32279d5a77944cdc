"""Choose a policy without a simulator: python rank.py runs=outputs/... (--help explains)."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("rank")
