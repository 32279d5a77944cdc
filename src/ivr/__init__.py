"""Offline RL with no out-of-distribution actions: implicit value regularization in Lightning."""

from ivr.environments.registration import register

__version__ = "0.1.0"

register()
