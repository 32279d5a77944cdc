"""What every algo=NAME stands for, and its word for the temperature: python list_algorithms.py."""

import sys

from ivr.commands import list_algorithms as run_algorithms

if __name__ == "__main__":
    run_algorithms.run_algorithms(sys.argv[1:])
