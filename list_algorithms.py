"""What every algo=NAME stands for, and its word for the temperature: python list_algorithms.py."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("list_algorithms")
