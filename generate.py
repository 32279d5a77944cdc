"""Make a dataset of this project's own: python generate.py dataset=antmaze-medium-play."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("generate")
