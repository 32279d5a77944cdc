"""The files that D4RL publishes under the names of this project, and what is on record of them.

Addresses: D4RL 89141a6, `d4rl/infos.py`. Bytes and SHA-256: public records of the files (Git LFS
pointers of the mirror's). Rows: D4RL's paper (Fu et al., 2020, table of the datasets); where no
digest is known, they are what can be compared.
"""

from pathlib import Path
from typing import NamedTuple

from ivr.mazes import Maze


class Published(NamedTuple):
    """What is on record of a file; None where it is not."""

    id: str
    """Its path on D4RL's server."""
    bytes: int | None = None
    sha256: str | None = None
    rows: int | None = None
    limit: int | None = None
    """Steps of an episode, by which D4RL cuts a file that marks no time-outs."""

    @property
    def file(self) -> str:
        """The file's name, by which the mirror and D4RL's folder know it."""
        return Path(self.id).name


_ANTMAZE = "ant_maze_v2/Ant_maze_{}_noisy_multistart_{}_multigoal_{}_sparse_fixed.hdf5"
_MILLION = 1_000_000

PUBLISHED: dict[str, Published] = {
    "antmaze-umaze": Published(
        _ANTMAZE.format("u-maze", False, False),
        232532949,
        "5ef15257771c50ef4d23c7de001750e96c8bb5d9b6a5e4a821dcfb3065fbd130",
        _MILLION,
    ),
    "antmaze-umaze-diverse": Published(
        _ANTMAZE.format("u-maze", True, True),
        230854272,
        "c771dd63963cd7d9f55f24a6d809064f6b82250a6aeac4c9d13f9a1d06e8c932",
        _MILLION,
    ),
    "antmaze-medium-play": Published(_ANTMAZE.format("big-maze", True, False), rows=_MILLION),
    "antmaze-medium-diverse": Published(
        _ANTMAZE.format("big-maze", True, True),
        231095166,
        "ad9dcbac05d1f8744a7a216083f513662f43f64f28a4a5eb225e9811902dfae7",
        _MILLION,
    ),
    "antmaze-large-play": Published(
        _ANTMAZE.format("hardest-maze", True, False),
        230880653,
        "6d353df2457829925d7f9d4b0215587469908bd57478ea76f16417cfa944f471",
        _MILLION,
    ),
    "antmaze-large-diverse": Published(
        _ANTMAZE.format("hardest-maze", True, True),
        231183710,
        "84f775eb7956ea9cc766704710dc520a8ab357adc7522ade47f556f0e335e284",
        _MILLION,
    ),
    "kitchen-complete": Published(
        "kitchen/mini_kitchen_microwave_kettle_light_slider-v0.hdf5", rows=3680, limit=280
    ),
    "kitchen-partial": Published(
        "kitchen/kitchen_microwave_kettle_light_slider-v0.hdf5", rows=136950, limit=280
    ),
    "kitchen-mixed": Published(
        "kitchen/kitchen_microwave_kettle_bottomburner_light-v0.hdf5", rows=136950, limit=280
    ),
}
"""By the name of the dataset."""

_LOCOMOTION = {
    "halfcheetah-medium": (
        237727262, "41324e8487a9556d8cfa4538827f8937f4d63dae3030825ebc9f3a726ed08ca0"
    ),
    "halfcheetah-medium-replay": (
        59448533, "48d494a4770c11f48260736dec090b78bdca8375647ed4d24bfa5b6610c7f683"
    ),
    "halfcheetah-medium-expert": (
        474567252, "015db75dae5bbe8e94029b71fa0bafc2073365df0c94744e71031189f3f79c06"
    ),
    "hopper-medium": (
        152756557, "5bdf1bc4a713c82941de44633df669b36c89850b652a25985166796d25cf71a0"
    ),
    "hopper-medium-replay": (
        75854457, "e121c5f7c9857a307baa9edc6a2c3b48e85fedb9ac316ecddd0f48ca7ef4e39b"
    ),
    "hopper-medium-expert": (
        304537315, "9d51ad87f8c905be3880d84c6140bcdb7fbf39a19e046a237f238ba34fec9e26"
    ),
    "walker2d-medium": (
        232254996, "cf00f43add04c17fdfc2958dd581dea0851b2e5bedbe6fda073758a8f841aeda"
    ),
    "walker2d-medium-replay": (
        86323963, "e75de96a4f77acf7d4e0d6fdf0d7ccb177c26c44bb4388e4fd99f543ccfa18db"
    ),
    "walker2d-medium-expert": (
        462197079, "6b8d7f868c45bbaedf460be797fb7271b46dee6ebe45fe7a64319f2005b59a04"
    ),
    "hopper-expert": (
        152427435, "01aa219a5f8eea5e639eccdc636ec2bf40e317159a95cf4bf6e985f16909941b"
    ),
    "hopper-random": (
        152525345, "63103ef7059db4c0819bd054f4e83ff339030b50bcdb46bdbe50385f234b5054"
    ),
    "halfcheetah-random": (
        237338037, "25407aef85b5d16c0f36b4149341edb4acc6a9e88c1db529b2de19e7464874ba"
    ),
    "walker2d-random": (
        216109364, "4e863bb6090cf4a461548bd470564b32f1ae5b32ef3085f816b2ede7f092e7fa"
    ),
    "halfcheetah-expert": (
        237464597, "d9fe53bb994eb1e20a99b4fa3412cd76a1bb7966a7ff55e0fcbdd6081bd2965f"
    ),
    "walker2d-expert": (
        230567195, "2985dc3d436a8baa10e8f43f946fe1d7c6337a4e4fbc65def70618093b18c59a"
    ),
}  # fmt: skip
PUBLISHED |= {
    name: Published(f"gym_mujoco_v2/{name.replace('-', '_')}-v2.hdf5", *facts)
    for name, facts in _LOCOMOTION.items()
}


def goal_of(name: str) -> tuple[float, float] | None:
    """The centre of the goal's cell in D4RL's frame, (x, y) in metres; None outside of AntMaze.

    Its origin is the start cell's centre, and y grows with the row.
    """
    if name not in PUBLISHED or not name.startswith("antmaze-"):
        return None
    maze = Maze.named(name.split("-")[1], 4.0)
    row, column = (goal - start for goal, start in zip(maze.goal, maze.start, strict=True))
    return maze.scale * column, maze.scale * row


def find_published(dataset_id: str | None) -> tuple[str | None, Published | None]:
    """The name and the record of the file at a path of D4RL's server; None for any other."""
    found = ((name, record) for name, record in PUBLISHED.items() if record.id == dataset_id)
    return next(found, (None, None))
