"""GDAS on each task from scratch: as `darts`, with one sampled candidate per node instead of the mixture.

Dong, Yang: Searching for a Robust Neural Architecture in Four GPU Hours (CVPR 2019), eq. 3-4: hard Gumbel
samples with a straight-through gradient, temperature from 10 to 0.1 over the search.
"""

from dataclasses import dataclass

from baselines.darts import Darts
from metanas.base.ranges import Positive
from metanas.base.seeding import generator
from metanas.method import METHODS
from metanas.models.relaxation import Relaxation, Schedule, annealed, gumbel


@METHODS.register("gdas")
class Gdas(Darts):
    """Search by sampled architectures on each task from scratch (Dong and Yang, 2019)."""

    @dataclass(frozen=True)
    class Settings(Darts.Settings):
        """first, last: the temperature in the first and last search step. schedule: linear | geometric."""

        first: Positive = 10.0
        last: Positive = 0.1
        schedule: Schedule = "linear"

    settings: Settings

    def relax(self, step: int, seed: int) -> Relaxation:
        """Straight-through Gumbel samples, alike for all tasks, at the step's temperature."""
        s = self.settings
        temperature = annealed(s.first, s.last, step, s.test_steps, s.schedule)
        return gumbel(temperature, generator(seed, "gdas", step), alike=True)
