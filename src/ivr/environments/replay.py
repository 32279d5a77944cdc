"""Takes recorded actions once more in an environment, each from its recorded state."""

from collections.abc import Callable
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
