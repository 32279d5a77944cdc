"""Updates in one graph: the same curve, resumable, and a compiler that fails costs nothing."""

import functools

import pytest
import torch

from tests.algos.algorithm_making import build, train


@pytest.fixture
def compiler(monkeypatch):
    """torch.compile without its slow back end, for functions that it can trace whole."""
    torch._dynamo.reset()
    traced = functools.partial(torch.compile, backend="aot_eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", lambda function, **_: traced(function))


def compiled(case: str, updates: int):
    algorithm = build(case, [0, 1], updates)
    algorithm.compile_updates = True
    return algorithm


@pytest.mark.parametrize("case", ["sql", pytest.param("td3bc", marks=pytest.mark.slow)])
def test_a_hundred_updates_draw_the_same_curve(case, compiler):
    plain, graph = build(case, [0, 1], 100), compiled(case, 100)
    trainer = train(graph, 100)
    train(plain, 100)
    assert graph._stepper.compiles and trainer.global_step == 100
    for key, mean in plain.sums.means().items():
        if not key.startswith("gradient_norm"):  # which a graph measures at every update
            torch.testing.assert_close(graph.sums.means()[key], mean, rtol=1e-3, atol=1e-4, msg=key)
    for (name, a), b in zip(plain.named_parameters(), graph.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3, msg=name)


@pytest.mark.parametrize("case", ["sql-dropout", pytest.param("td3bc", marks=pytest.mark.slow)])
def test_a_resumed_graph_is_the_one_that_was_not_stopped(case, compiler, tmp_path):
    whole, first, second = (compiled(case, 20) for _ in range(3))
    train(whole, 20)
    train(first, 13).save_checkpoint(tmp_path / "at13.ckpt")
    train(second, 20, checkpoint=tmp_path / "at13.ckpt")
    for (name, a), b in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_compiler_that_fails_is_told_once_and_changes_nothing(monkeypatch):
    def broken(function, **_):
        def call(*inputs):
            raise RuntimeError("no such back end")

        return call

    plain, graph = build("sql", [0, 1], 9), compiled("sql", 9)
    train(plain, 9)
    monkeypatch.setattr(torch, "compile", broken)
    with pytest.warns(UserWarning, match=r"the compiler failed \(no such back end\)") as told:
        trainer = train(graph, 9)
    assert sum("compiler failed" in str(warning.message) for warning in told) == 1
    assert trainer.global_step == graph.updates_done == 9
    for (name, a), b in zip(plain.named_parameters(), graph.parameters(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", ["sql", "eql-exact", "td3bc"])
def test_the_real_compiler_computes_the_same_updates(case, recwarn):
    """Inductor with the options of a training: what no other back end of these tests compiles."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    plain, graph = build(case, [0, 1], 10), compiled(case, 10)
    train(plain, 10)
    train(graph, 10)
    assert not [str(w.message) for w in recwarn if "compiler failed" in str(w.message)]
    assert graph._stepper.compiles, "it fell back to updates that are not compiled"
    assert torch._dynamo.utils.counters["inductor"], "nothing reached Inductor"
    for (name, a), b in zip(plain.state_dict().items(), graph.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)
    for key, mean in plain.sums.means().items():
        if not key.startswith("gradient_norm"):  # which a graph measures at every update
            torch.testing.assert_close(graph.sums.means()[key], mean, rtol=1e-3, atol=1e-4, msg=key)
