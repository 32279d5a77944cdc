"""What a contributor's algorithm gets wrong is one message, and never a run that goes on."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from ivr.algos.bc import BehaviourCloning
from ivr.algos.engine.constructors import AlgorithmSpec, option_types
from ivr.config.fields import check
from ivr.errors import UserError
from tests.algos.algorithm_making import arguments_of, train


class Twice(BehaviourCloning):
    def update(self, batch):
        super().update(batch)
        super().update(batch)


class Never(BehaviourCloning):
    def update(self, batch):
        pass


def with_loss(change: Callable[..., Any]) -> type[BehaviourCloning]:
    class Changed(BehaviourCloning):
        def update(self, batch):
            def loss(batch):
                value = -self.actor.log_prob(batch.observations, batch.actions, None)
                return change(value)

            self.minimise("actor", loss, batch)

    return Changed


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (Twice, "Twice.update steps actor twice in an update"),
        (Never, "Never.update never steps actor"),
        (with_loss(lambda x: (x.mean(), {})), r"the loss of actor has shape \(\)"),
        (with_loss(lambda x: (x, {})), r"the loss of actor has shape \(2, 64\)"),
        (with_loss(lambda x: (x.mean(-1), {"mine": 1.0})), "mine must be a tensor with one number"),
        (with_loss(lambda x: (x.mean(-1), {"mine": x.mean()})), "mine must be a tensor"),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_an_update_that_breaks_the_rules_is_one_message(algorithm, message, compiled, monkeypatch):
    torch._dynamo.reset()
    traced = functools.partial(torch.compile, backend="aot_eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", lambda function, **_: traced(function))
    made = algorithm(**arguments_of("bc", [0, 1]))
    made.compile_updates = compiled
    with pytest.raises(UserError, match=message):
        train(made, 3)


class Plain(BehaviourCloning):
    def __init__(self, **run: Any) -> None:
        super().__init__(**run)
        self.actor = nn.Linear(3, 2)


class Unordered(BehaviourCloning):
    step_order = ()


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (Plain, r"actor\.weight has shape \(2, 3\), and must begin with the axis of the 5 runs"),
        (Unordered, "step_order lacks actor"),
    ],
)
def test_networks_that_break_the_rules_are_refused_before_a_training(algorithm, message):
    spec = AlgorithmSpec("mine", algorithm, {})
    with pytest.raises(UserError, match=message):
        spec.build(arguments_of("bc", range(5)))


GIVEN = {
    "listed": ([1, 2], "a list, each a whole number"),
    "pair": ([1.5, "a"], "a list of a finite number, a word"),
    "many": ([1.5, 2.5], "a list, each a finite number"),
    "unread": ("anything", None),
    "mapped": ({"a": 1}, "a mapping"),
    "chosen": ("soft", "soft or hard"),
    "maybe": (None, "a whole number or null"),
    "named": (0.5, "a finite number"),
}


def annotated() -> type[BehaviourCloning]:
    """A class whose annotations are texts, as under `from __future__ import annotations`."""
    names: dict[str, Any] = {"BehaviourCloning": BehaviourCloning}
    exec(
        "from __future__ import annotations\n"
        "from typing import Any, Literal, Optional\n"
        "class Annotated(BehaviourCloning):\n"
        "    def __init__(self, plain=1, anything: Any = None, *, listed: list[int] = [],\n"
        "                 pair: tuple[float, str] = (0, ''), many: tuple[float, ...] = (),\n"
        "                 unread: OnlyOfTypeCheckers = None, mapped: dict[str, int] = {},\n"
        "                 chosen: Literal['soft', 'hard'] = 'soft',\n"
        "                 maybe: Optional[int] = None, named: float = 0.1, **run):\n"
        "        super().__init__(**run)\n",
        names,
    )
    made: type[BehaviourCloning] = names["Annotated"]
    return made


def test_annotations_are_read_as_people_write_them():
    types = option_types(annotated())
    good = {name: value for name, (value, _) in GIVEN.items()} | {"plain": "x", "anything": [0.3]}
    check("algo", good, types, "no option")
    with pytest.raises(UserError, match=r"algo\.pair=\[1.5\]: must be a list of"):
        check("algo", {"pair": [1.5]}, types, "no option")
    for name, words in ((name, words) for name, (_, words) in GIVEN.items() if words):
        with pytest.raises(UserError, match=rf"algo\.{name}=wrong: must be {words}"):
            check("algo", {name: "wrong"}, types, "no option")
