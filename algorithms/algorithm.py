"""What a training loop asks of an algorithm."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from algorithms.world import World


@dataclass(frozen=True)
class Algorithm:
    """A synchronous distributed SGD algorithm: a value; what it remembers between steps is its `state`."""

    @property
    def auxiliaries(self) -> int:
        """Number of rows after those of the workers that compute no gradient: auxiliary variables."""
        return 0

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        """Return what the algorithm remembers between steps: tensors with one row per local worker.

        Parameters
        ----------
        world
            The workers.
        x
            (local, d) initial parameters.
        """
        return {}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Make iteration `t` in place.

        Parameters
        ----------
        world
            The workers and their network.
        x
            (local, d) parameters of the local workers.
        g
            (local, d) stochastic gradients at `x`; may be overwritten.
        state
            As returned by `state`, updated in place.
        t
            Iteration, from 0.
        lr
            Step size gamma of this iteration.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it makes a step")

    def settle(self, world: World, x: Tensor) -> None:
        """Finish in place what goes on in the background, before somebody looks at `x`."""
