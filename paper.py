"""Make the paper's tables and figures, and decide its claims: python paper.py scale=smoke."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("paper")
