"""Counts the steps and rewards of the episodes that have not ended yet."""

from dataclasses import dataclass

from ivr.online.episodes import Episode


@dataclass
class UnderWay:
    """The episode that each member is in; lists with an entry for each member."""

    length: list[int]
    total: list[float]
    """Undiscounted return so far, in units of the environment's rewards."""
    discounted: list[float]
    """Return so far as it is trained on: transformed and discounted."""
    predicted: list[float]
    """Q of the first state and action, when they were chosen; NaN without a critic."""

    @classmethod
    def fresh(cls, members: int) -> "UnderWay":
        """Of members that have not taken a step."""
        nan = float("nan")
        return cls([0] * members, [0.0] * members, [0.0] * members, [nan] * members)

    def add(self, member: int, reward: float, transformed: float, discount: float) -> None:
        """Count a step, with its reward in the environment's units and as it is trained on."""
        self.discounted[member] += discount ** self.length[member] * transformed
        self.length[member] += 1
        self.total[member] += reward

    def end(self, member: int, steps: int, fell: bool) -> Episode:
        """Begin a member's next episode; returns the one that ended.

        Args:
            member: its number.
            steps: of the member so far.
            fell: whether the episode terminated without success.
        """
        ended = Episode(
            steps=steps,
            length=self.length[member],
            total=self.total[member],
            discounted=self.discounted[member],
            predicted=self.predicted[member],
            fell=fell,
        )
        self.length[member], self.total[member], self.discounted[member] = 0, 0.0, 0.0
        return ended
