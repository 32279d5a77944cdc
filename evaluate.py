"""Score a checkpoint again: python evaluate.py checkpoint=PATH episodes=100 video=true."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("evaluate")
