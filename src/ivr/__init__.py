"""Offline RL with no out-of-distribution actions: implicit value regularization in Lightning."""

__version__ = "0.1.0"
