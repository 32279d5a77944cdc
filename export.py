"""Write a policy into one file that runs without ivr: python export.py checkpoint=PATH."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("export")
