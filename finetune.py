"""Take policies from offline to online: python finetune.py checkpoint=PATH num_steps=50000."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("finetune")
