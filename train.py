"""Train: python train.py algo=sql dataset=antmaze-medium-play alpha=0.5 (--help explains)."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("train")
