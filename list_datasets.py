"""What every dataset=NAME stands for, and where its data are: python list_datasets.py."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("list_datasets")
