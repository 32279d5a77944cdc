"""The deck's claims in words, each with the differences that decide it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ivr.paper.deck import COMPARED, FAMILIES, called, of_family, printed, score
from ivr.report.paper import SCORES

IN_SAMPLE, OUT_OF_SAMPLE = ("sql", "iql"), ("td3bc", "cql")

Names = Sequence[str]
Pair = Sequence[float]
"""Of two."""


@dataclass(frozen=True)
class Term:
    """A method's mean in a contrast."""

    weight: float
    algo: str
    at: float | None = None
    """The share of experts, or of the data."""
    quantity: str = "score"


@dataclass(frozen=True)
class Difference:
    """A sum of terms, averaged over datasets, of which a claim says where it lies."""

    label: str
    terms: tuple[Term, ...]
    strata: tuple[str, ...] = ()
    """The paper's datasets that it is over, all of them; empty for whichever were run."""

    @property
    def printed(self) -> float | None:
        """The same of the paper's numbers; None where one is missing."""
        total = 0.0
        for stratum in self.strata:
            for term in self.terms:
                number = printed(stratum, term.algo)
                if number is None or term.at is not None or term.quantity != "score":
                    return None
                total += term.weight * number / len(self.strata)
        return total if self.strata else None


@dataclass(frozen=True)
class Claim:
    """A statement of the deck; it holds where all of its differences lie between low and high."""

    part: str
    words: str
    differences: tuple[Difference, ...]
    family: str | None = None
    """That what stands in for its datasets must be of; None for any."""
    each: bool = False
    """Whether it is about each dataset by itself, and not about their mean."""
    low: float = 0.0
    high: float = float("inf")


def above(ours: str, other: str, at: float | None = None, strata: Names = ()) -> Difference:
    """Build the difference of two methods' scores."""
    terms = (Term(1.0, ours, at), Term(-1.0, other, at))
    return Difference(f"{called(ours)} − {called(other)}", terms, tuple(strata))


def claims(shares: Pair = (0.1, 1.0), keeps: Pair = (0.03, 1.0)) -> list[Claim]:
    """List what the deck says, but for its single numbers.

    Args:
        shares: of experts in the noisy data: where there is most noise, and least.
        keeps: of the small data, where there are fewest, and most.
    """
    return [*_table(), *_noisy(*shares), *_small(*keeps), *_online()]


def numbers(tolerance: float) -> list[Claim]:
    """List the single numbers of the results table, each as a claim.

    Args:
        tolerance: points that a mean may be off beyond the paper's own spread.
    """
    found = []
    for (dataset, algo), said in SCORES.items():
        mean, spread = score(said)
        one = Difference(called(algo), (Term(1.0, algo),), (dataset,))
        low, high = mean - spread - tolerance, mean + spread + tolerance
        words = f"{called(algo)} scores {said} on {dataset}"
        found.append(Claim("table", words, (one,), low=low, high=high))
    return found


def _table() -> Iterator[Claim]:
    for ours in ("sql", "eql"):
        for family in FAMILIES:
            strata = of_family(family)
            known = [a for a in COMPARED if all((dataset, a) in SCORES for dataset in strata)]
            words = (
                f"On {family}, the mean of {called(ours)} over the datasets is above that of every "
                "method that it is compared with"
            )
            differences = tuple(above(ours, other, strata=strata) for other in known)
            yield Claim("table", words, differences, family)
    one_by_one = tuple(above("sql", "bc", strata=(name,)) for name in of_family("locomotion"))
    words = "SQL is above BC on each locomotion set"
    yield Claim("table", words, one_by_one, "locomotion", each=True)
    over = (above("sql", "eql", strata=of_family("AntMaze")),)
    yield Claim("table", "On AntMaze, SQL is above EQL", over, "AntMaze")


def _noisy(few: float, many: float) -> Iterator[Claim]:
    mixtures = tuple(
        f"{robot}-expert + {noise}"
        for robot in ("halfcheetah", "hopper", "walker2d")
        for noise in ("random", "medium")
    )
    for other in ("iql", "eql"):
        words = f"With {few:.0%} expert data among noise, SQL is above {called(other)}"
        yield Claim("noisy", words, (above("sql", other, few, mixtures),))
    for other in ("iql", "eql"):
        terms = (
            *above("sql", other, few).terms,
            *above(other, "sql", many).terms,
        )
        label = f"(SQL − {called(other)}) at {few:g} less that at {many:g}"
        words = (
            f"The lead of SQL over {called(other)} grows with the noise, from {many:.0%} to "
            f"{few:.0%} expert data"
        )
        yield Claim("noisy", words, (Difference(label, terms, mixtures),))


def _small(little: float, much: float) -> Iterator[Claim]:
    def lead(at: float, quantity: str = "score") -> tuple[Term, ...]:
        """In-sample methods less out-of-sample ones."""
        return (
            *(Term(1 / len(IN_SAMPLE), algo, at, quantity) for algo in IN_SAMPLE),
            *(Term(-1 / len(OUT_OF_SAMPLE), algo, at, quantity) for algo in OUT_OF_SAMPLE),
        )

    def minus(terms: Sequence[Term]) -> tuple[Term, ...]:
        return tuple(replace(term, weight=-term.weight) for term in terms)

    which = "(SQL, IQL) − (TD3+BC, CQL)"
    words = f"With {little:.0%} of the data, in-sample methods score above out-of-sample ones"
    yield Claim("small", words, (Difference(which, lead(little)),), "AntMaze")
    words = (
        f"From {much:.0%} to {little:.0%} of the data, in-sample methods lose less than "
        "out-of-sample ones"
    )
    drop = Difference(
        f"{which} at {little:g} less that at {much:g}", (*lead(little), *minus(lead(much)))
    )
    yield Claim("small", words, (drop,), "AntMaze")
    words = (
        f"With {little:.0%} of the data, the Bellman error of in-sample methods is below that of "
        "out-of-sample ones"
    )
    errors = Difference("error of (TD3+BC, CQL) − (SQL, IQL)", minus(lead(little, "error")))
    yield Claim("small", words, (errors,), "AntMaze")


def _online() -> Iterator[Claim]:
    def less(quantity: str, *others: str) -> tuple[Difference, ...]:
        return tuple(
            Difference(
                f"{quantity} of {other} − of remodel",
                (Term(1.0, other, None, quantity), Term(-1.0, "remodel", None, quantity)),
            )
            for other in others
        )

    recipe = "Going online by the recipe"
    for words, differences in (
        (f"{recipe} costs less regret than without its remodel", less("regret", "remodel_none")),
        (f"{recipe} dips less than without its remodel", less("dip", "remodel_none")),
        (f"{recipe} costs less regret than without its KL", less("regret", "remodel_no_kl")),
        (f"{recipe} costs less regret than every other way",
         less("regret", "continue", "sac", "calql", "rlpd")),
        ("After the recipe the policy is better than the offline one",
         (above("remodel", "frozen"),)),
    ):  # fmt: skip
        yield Claim("online", words, differences)
