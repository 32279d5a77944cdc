"""What every dataset=NAME stands for, and where its data are: python list_datasets.py."""

import sys

from ivr.commands import list_datasets as run_listing

if __name__ == "__main__":
    run_listing.run_listing(sys.argv[1:])
