"""D4RL's own environments, from a copy of its repository, on the MuJoCo that is installed.

D4RL asks for gym 0.x, mujoco-py and dm_control. What it uses of them stands here in a few lines
each, so that all that is D4RL's (XML, mazes, goals, rewards, robot) is its own code.
"""

import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium
import gymnasium_robotics
import mujoco
import numpy as np
import pytest

KITCHEN = Path("d4rl/kitchen")
WOOD = Path(gymnasium_robotics.__file__).parent / (
    "envs/assets/kitchen_franka/kitchen_assets/textures/wood1.png"
)


class Sim:
    """What mujoco_py.MjSim and dm_control's Physics have in common here."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model, self.data = model, mujoco.MjData(model)
        mujoco.mj_forward(self.model, self.data)

    def step(self) -> None:
        mujoco.mj_step(self.model, self.data)

    def forward(self) -> None:
        # MuJoCo 2 normalised quaternions in place where it computed positions.
        mujoco.mj_normalizeQuat(self.model, self.data.qpos)
        mujoco.mj_forward(self.model, self.data)

    def reset(self) -> None:
        mujoco.mj_resetData(self.model, self.data)


class GymMujocoEnv(gymnasium.Env):
    """gym 0.x's MujocoEnv: the constructor takes one step, `reset` asks for `reset_model`."""

    def __init__(self, model_path: str, frame_skip: int) -> None:
        self.frame_skip = frame_skip
        self.sim = Sim(mujoco.MjModel.from_xml_path(model_path))
        self.model, self.data = self.sim.model, self.sim.data
        self.init_qpos, self.init_qvel = self.data.qpos.copy(), self.data.qvel.copy()
        low, high = self.model.actuator_ctrlrange.astype(np.float32).T
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self.seed()
        shape = self.step(np.zeros(self.model.nu))[0].shape
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, shape)

    def seed(self, seed: int | None = None) -> None:
        self.np_random = np.random.RandomState(seed)

    @property
    def dt(self) -> float:
        return self.model.opt.timestep * self.frame_skip

    def reset(self) -> Any:
        self.sim.reset()
        return self.reset_model()

    def set_state(self, qpos: np.ndarray, qvel: np.ndarray) -> None:
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        self.sim.forward()

    def do_simulation(self, ctrl: np.ndarray, n_frames: int) -> None:
        self.data.ctrl[:] = ctrl
        for _ in range(n_frames):
            self.sim.step()

    def state_vector(self) -> np.ndarray:
        return np.concatenate([self.data.qpos, self.data.qvel])

    def get_body_com(self, name: str) -> np.ndarray:
        return self.data.body(name).xpos


class SimRobot:
    """D4RL's MujocoSimRobot without dm_control's renderer."""

    def __init__(self, model_file: str, **_: Any) -> None:
        self.sim = Sim(mujoco.MjModel.from_xml_path(model_file))
        self.model, self.data = self.sim.model, self.sim.data


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(contents)
    return module


def install(patch: pytest.MonkeyPatch, repository: Path, folder: Path) -> None:
    """Make `import d4rl.…` find the code of `repository`; its kitchen is mended in `folder`.

    The kettle's class of defaults stands at the top of its file, which today's MuJoCo refuses;
    in another `default` it means the same to all elements that have a class. A texture that a
    shallow copy of the repository lacks is Gymnasium-Robotics' (dynamics do not see it).
    """
    kitchen = folder / "d4rl" / "kitchen"
    shutil.copytree(repository / KITCHEN, kitchen)
    models = kitchen / "adept_models" / "kitchen"
    kettle = models / "assets" / "kettle_asset.xml"
    text = kettle.read_text()
    start, end = text.index('<default class="kettle">'), text.rindex("</default>")
    mended = (text[:start], "<default>", text[start:end], "</default>", text[end:])
    kettle.write_text("".join(mended))
    if not (models / "textures" / "wood1.png").exists():
        shutil.copy(WOOD, models / "textures")

    package = _module("d4rl", __path__=[str(folder / "d4rl"), str(repository / "d4rl")])
    registration = _module(
        "gym.envs.registration", register=lambda **_: None, registry=SimpleNamespace(env_specs={})
    )
    seeding = _module("gym.utils.seeding", np_random=lambda s: (np.random.RandomState(s), s))
    pickle = type("EzPickle", (), {"__init__": lambda self, *_, **__: None})
    utils = _module("gym.utils", seeding=seeding, EzPickle=pickle, colorize=lambda *_, **__: "")
    mujoco_env = _module("gym.envs.mujoco.mujoco_env", MujocoEnv=GymMujocoEnv)
    gym_mujoco = _module("gym.envs.mujoco", mujoco_env=mujoco_env)
    envs = _module("gym.envs", registration=registration, mujoco=gym_mujoco)
    error = _module("gym.error", DependencyNotInstalled=ImportError)
    spaces = gymnasium.spaces
    gym = _module("gym", Env=gymnasium.Env, spaces=spaces, utils=utils, envs=envs, error=error)
    engine = _module("dm_control.mujoco.engine")
    offline = type("OfflineEnv", (), {"__init__": lambda self, **_: None})
    stand_ins = [
        package,
        _module("d4rl.offline_env", OfflineEnv=offline),
        _module(
            "d4rl.kitchen.adept_envs.simulation.sim_robot", MujocoSimRobot=SimRobot, RenderMode=None
        ),
        *(gym, envs, registration, gym_mujoco, mujoco_env, utils, seeding, error),
        _module("mujoco_py", get_version=lambda: "2.0"),
        _module("dm_control"),
        _module("dm_control.mujoco", engine=engine),
        _module("termcolor", cprint=lambda *_, **__: None),
        _module("click"),
    ]
    for module in stand_ins:
        patch.setitem(sys.modules, module.__name__, module)
    patch.setitem(sys.modules, "gym.spaces", spaces)


def forget() -> None:
    """Remove D4RL's modules, which are of no use without what `install` put beside them."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("d4rl", "gym")]:
        del sys.modules[name]


def antmaze(name: str) -> Any:
    """D4RL's `antmaze-<name>-v2`, made by its own code with the arguments of its registry."""
    maze_env = importlib.import_module("d4rl.locomotion.maze_env")
    maps = {"umaze": "U_MAZE_TEST", "medium": "BIG_MAZE_TEST", "large": "HARDEST_MAZE_TEST"}
    return importlib.import_module("d4rl.locomotion.ant").make_ant_maze_env(
        maze_map=getattr(maze_env, maps[name]),
        reward_type="sparse",
        non_zero_reset=False,
        eval=True,
        maze_size_scaling=4.0,
        v2_resets=True,
    )


def kitchen(name: str) -> Any:
    """D4RL's `kitchen-<name>-v0`."""
    classes = {
        "complete": "KitchenMicrowaveKettleLightSliderV0",
        "partial": "KitchenMicrowaveKettleLightSliderV0",
        "mixed": "KitchenMicrowaveKettleBottomBurnerLightV0",
    }
    environments = importlib.import_module("d4rl.kitchen.kitchen_envs")
    config = importlib.import_module("d4rl.kitchen.adept_envs.utils.config")
    read = config.read_config_from_node
    # NumPy 2 does not store an array of one number as a number.
    config.read_config_from_node = lambda *args: np.squeeze(read(*args))
    return getattr(environments, classes[name])()
