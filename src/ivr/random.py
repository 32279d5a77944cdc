"""Draws random numbers without a state, as functions of (seed, purpose, update, position).

By hand: torch's generators have a state, are not the same on a GPU, and draw one stream for all
members.


A member of a stack draws what its seed alone would have drawn, on any device, and a resumed
run needs no generator to be restored.
"""

import hashlib

import torch
from torch import Tensor

# SplitMix64 (Steele, Lea & Flood 2014): output i of the stream k is mix(k + (i + 1) * GAMMA),
# so any position can be reached directly. Constants as signed 64-bit integers.
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)


def key(seed: int, purpose: str) -> int:
    """Derive a signed 64-bit key of a seed and a purpose ("batches", "dropout", ...)."""
    digest = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def generator(seed: int, purpose: str) -> torch.Generator:
    """Make a CPU generator for what is drawn once, such as a network's initialisation."""
    return torch.Generator().manual_seed(key(seed, purpose))


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift int64 to the right, filling with zeros (torch's own keeps the sign)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _MIX_1
    x = (x ^ _shift(x, 27)) * _MIX_2
    return x ^ _shift(x, 31)


def bits(keys: Tensor, updates: Tensor, count: int) -> Tensor:
    """Draw random int64 of shape (C, R, count) for stream keys (R,) at update numbers (C,)."""
    streams = _mix(keys + (updates[:, None] + 1) * _GAMMA)
    # "| 0" for the compiler, which writes what follows an arange as one formula of its indices, and
    # gives up where a factor leaves 64 bits.
    positions = torch.arange(1, count + 1, device=keys.device) | 0
    return _mix(streams[..., None] + positions * _GAMMA)


def integers(keys: Tensor, updates: Tensor, count: int, high: int) -> Tensor:
    """Draw integers in [0, high), shape (C, R, count); the bias is below high / 2**63."""
    return _shift(bits(keys, updates, count), 1) % high


def uniform(keys: Tensor, updates: Tensor, count: int) -> Tensor:
    """Draw float32 in [0, 1), shape (C, R, count)."""
    return _shift(bits(keys, updates, count), 40).float() * 2.0**-24
