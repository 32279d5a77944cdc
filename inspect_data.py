"""Look at the data first: python inspect_data.py dataset=hopper-medium (--help explains)."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("inspect_data")
