"""From the dataset node of a configuration to the data and the task that it names.

Light to import: whether the data are available is reported before torch is loaded.
"""

from collections.abc import Mapping
from typing import Any

from ivr.config.fields import check, parameter_types
from ivr.data.spec import DataSpec
from ivr.evaluation.task.spec import TaskSpec

_DATA, _TASK = parameter_types(DataSpec), parameter_types(TaskSpec)


def parse_dataset(node: Mapping[str, Any]) -> tuple[DataSpec, TaskSpec]:
    """The data and the task of a `dataset` node, whose keys both share.

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    check("dataset", node, _DATA | _TASK, "unknown key", known=node)
    data = DataSpec(**{key: value for key, value in node.items() if key in _DATA})
    return data, TaskSpec(**{key: value for key, value in node.items() if key in _TASK})
