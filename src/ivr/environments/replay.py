"""How exactly an environment repeats recorded transitions: the certificate of a data set.

Each recorded state is set, its recorded action taken once, and what comes out is compared with the
recorded next observation. A body, a clock or a frame of another kind shows at once; an error of
float32 rounding says that policies are scored in the environment that the data came from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from numpy.typing import NDArray

from ivr.errors import UserError

Floats = NDArray[np.float64]
Env = gymnasium.Env[Any, Any]

# Environments whose observation has all of qpos but its first numbers, and all of qvel within a
# bound: how many numbers are left out, on which no motion depends, and the bound.
_COMPLETE = {
    "HalfCheetahEnv": (1, np.inf),
    "HopperEnv": (1, 10.0),
    "Walker2dEnv": (1, 10.0),
    "D4RLAntMaze": (0, np.inf),
    "AntMazeEnv": (0, np.inf),  # of Gymnasium-Robotics, with x and y put in front
    "PointMazeEnv": (0, np.inf),
}

# Where the motors' targets are reckoned from the last, noisy observation: its attribute and size.
_MEMORY = {"D4RLKitchen": ("observed", 30), "FrankaRobot": ("_last_robot_qpos", 9)}

EXACT = 1e-3
"""Standard deviations within which an environment repeats a transition of its own.

Rounding to float32 costs 2e-5, a tenth more torque or time 0.08 and more. Where records were
rounded more coarsely an environment errs by more where a contact begins or ends, however right it
is: twice what their rounding does to that very transition (`rounding`) is allowed on top.
"""

UNEXPLAINED = 0.05
"""Share of transitions that an environment may repeat less well and still be the data's own.

Of AntMaze's transitions, rounded to 12 or 13 bits, the environment itself leaves up to 0.023; with
1 % more torque, a tenth more friction or softer contacts it leaves 0.5 and more. Walker2d's version
4 leaves 0.3 of version 5's.
"""

CLOSE = (0.01, 0.1)
"""Standard deviations within which half, and 99 %, of the transitions of a like environment are.

With MuJoCo's other solvers and with fewer iterations, D4RL's Ant stays within 5e-6 and 0.03. With
1 % more torque or mass, a tenth more friction or softer contacts it is beyond one of the two, and
so is Walker2d with the other friction of version 5.
"""

_DRAWS = 4
"""Of what was rounded off."""

FINE = 20
"""Bits of precision from which on rounding is not worth a measurement."""

_CHOSEN = 8
"""Bits of precision below which numbers were chosen from a few, not rounded."""


@dataclass(frozen=True)
class ReplayError:
    """One-step errors of observations over some transitions; absolute values.

    Triples are the median, the 99th percentile and the largest. A deviation is the standard
    deviation of an observation's number in the data, or 1 unit where that is 0.
    """

    transitions: int
    overall: tuple[float, float, float]
    """Of the transition's worst number, in deviations."""
    units: tuple[tuple[float, float, float], ...]
    """One triple a number of the observation, in its own unit."""
    deviations: tuple[tuple[float, float, float], ...]
    """The same in deviations."""
    unexplained: float
    """Share of the transitions that are off by more than EXACT and their rounding."""

    @property
    def exact(self) -> bool:
        """Whether the environment repeats the data, up to UNEXPLAINED of them."""
        return self.unexplained <= UNEXPLAINED

    @property
    def close(self) -> bool:
        """Whether the environment is like that of the data, within CLOSE."""
        return self.overall[0] <= CLOSE[0] and self.overall[1] <= CLOSE[1]


def replay(
    env: Env,
    qpos: Floats,
    qvel: Floats,
    actions: NDArray[np.floating],
    observations: NDArray[np.floating] | None = None,
    observe: Callable[[Any], NDArray[np.floating]] = np.asarray,
) -> Floats:
    """Take one step from each of N recorded states.

    Args:
        env: simulated by MuJoCo; its wrappers see the steps. It is reset.
        qpos: (N, nq) positions before the step; qvel: (N, nv) velocities.
        actions: (N, A), as recorded.
        observations: (N, O) before the step; only kitchens need them, whose motors start from
            what was observed. They draw other noise than the record has.
        observe: makes the vector that is compared of what `env` returns.

    Returns:
        (N, O) what is observed after each step.

    Raises:
        UserError: the environment has no MuJoCo simulation, or states of another size, or needs
            observations.
    """
    simulation = _simulation(env)
    model, data = simulation.model, simulation.data
    if (qpos.shape[1:], qvel.shape[1:]) != ((model.nq,), (model.nv,)):
        raise UserError(
            f"The recorded states have {qpos.shape[1]} positions and {qvel.shape[1]} velocities, "
            f"but {_name(env)} has {model.nq} and {model.nv}: the data are of another body."
        )
    memory, size = _MEMORY.get(type(simulation).__name__, ("", 0))
    if memory and observations is None:
        raise UserError(f"{_name(env)} moves from what was observed, which is not given.")
    env.reset(seed=0)
    after = []
    for row in range(len(qpos)):
        # What the last step left behind (forces, the solver's first guess) has no part in this one.
        mujoco.mj_resetData(model, data)
        simulation.set_state(qpos[row], qvel[row])
        if memory and observations is not None:
            setattr(simulation, memory, np.array(observations[row][:size], dtype=np.float64))
        after.append(observe(env.step(actions[row])[0]))
    return np.array(after, dtype=np.float64)


def rounding(
    env: Env,
    qpos: Floats,
    qvel: Floats,
    actions: NDArray[np.floating],
    observations: NDArray[np.floating] | None = None,
    observe: Callable[[Any], NDArray[np.floating]] = np.asarray,
) -> Floats | None:
    """Measure what the rounding of the records does to each step.

    Every number is moved at random by up to half a unit of the last bit that its column has, a few
    times, and the steps are replayed from there. The arguments are those of `replay`.

    Returns:
        (N, O) the largest difference of what is observed; None where the records are as fine as
        float32.
    """
    parts = [np.asarray(part, np.float64) for part in (qpos, qvel, actions)]
    kept = [bits(part) for part in parts]
    if precision(*parts) >= FINE:
        return None
    random, found = np.random.default_rng(0), []
    straight = replay(env, qpos, qvel, actions, observations, observe)
    for _ in range(_DRAWS):
        before, speed, action = (
            part * (1 + random.uniform(-1, 1, part.shape) * 0.5**each)
            for part, each in zip(parts, kept, strict=True)
        )
        found.append(np.abs(replay(env, before, speed, action, observations, observe) - straight))
    return np.asarray(np.max(found, axis=0))


def precision(*records: NDArray[np.floating]) -> int:
    """Count the bits of precision of the coarsest column of records (N, k)."""
    return min(int(bits(part).min()) for part in records)


def bits(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Count the bits of precision that each column (N, k) is kept in, (k,): 24 for float32's own.

    Numbers that were rounded to fewer bits end in zeros. A column that is chosen from a few values,
    such as a constant, is as exact as any.
    """
    mantissa = np.asarray(values, np.float32).view(np.uint32) & np.uint32(0x7FFFFF)
    together = np.bitwise_or.reduce(mantissa, axis=0).astype(np.int64)
    lowest = together & -together
    kept = 24 - np.log2(np.maximum(lowest, 1)).astype(np.int64)
    return np.where((together == 0) | (kept < _CHOSEN), 24, kept)


def replay_error(
    replayed: Floats,
    recorded: NDArray[np.floating],
    deviation: NDArray[np.floating] | None = None,
    rounded: Floats | None = None,
) -> ReplayError:
    """Compare replayed next observations (N, O) with the recorded ones.

    Args:
        replayed: by `replay`.
        recorded: (N, O).
        deviation: (O,) of all data; by default that of `recorded`.
        rounded: by `rounding`.
    """
    recorded = np.asarray(recorded, dtype=np.float64)
    scale = recorded.std(axis=0) if deviation is None else np.asarray(deviation, dtype=np.float64)
    scale = np.where(scale > 1e-6, scale, 1.0)
    error = np.abs(replayed - recorded)
    worst = (error / scale).max(axis=1)
    allowed = EXACT + (0 if rounded is None else 2 * (rounded / scale).max(axis=1))
    return ReplayError(
        len(error),
        _triple(worst),
        tuple(_triple(column) for column in error.T),
        tuple(_triple(column) for column in (error / scale).T),
        float(np.mean(~(worst <= allowed))),
    )


def states(
    env: Env, observations: NDArray[np.floating]
) -> tuple[Floats, Floats, NDArray[np.bool_]] | None:
    """Read MuJoCo's state out of observations (N, O), where they determine it.

    Returns:
        qpos (N, nq), qvel (N, nv) and whether each is certain (N,): Hopper and Walker2d observe no
        speed beyond ±10. None where observations of `env` do not determine its state.
    """
    left_out, bound = _COMPLETE.get(type(env.unwrapped).__name__, (None, np.inf))
    if left_out is None:
        return None
    model = _simulation(env).model
    nq, nv = model.nq, model.nv
    if observations.shape[1] != nq - left_out + nv:
        return None
    seen = np.asarray(observations, dtype=np.float64)
    qpos = np.zeros((len(seen), nq))
    qpos[:, left_out:] = seen[:, : nq - left_out]
    qvel = seen[:, nq - left_out :]
    return qpos, qvel, np.all(np.abs(qvel) < bound, axis=1)


def _simulation(env: Env) -> Any:
    """The MujocoEnv that is the environment, or that Gymnasium-Robotics' ones hold."""
    base = env.unwrapped
    for candidate in (base, *vars(base).values()):
        if isinstance(candidate, MujocoEnv):
            return candidate
    raise UserError(f"{_name(env)} is no MuJoCo simulation, so no recorded state can be set in it.")


def _name(env: Env) -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__


def _triple(values: Floats) -> tuple[float, float, float]:
    median, most, largest = np.quantile(values, (0.5, 0.99, 1.0))
    return float(median), float(most), float(largest)
