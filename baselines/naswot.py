"""Search by activation patterns at initialisation: a zero-cost fitness, then training of the best.

Mellor, Turner, Storkey, Crowley: Neural Architecture Search without Training (ICML 2021), as written in
`metanas/search/proxies.py`. Nothing is trained before the search, so most of the budget is left for training
the best; many candidates are tried, all at random. `synflow` and `grad-norm` are this with another proxy.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from baselines.random_search import RandomSearch
from metanas.base.ranges import Count, Share
from metanas.data.episode import Episodes
from metanas.method import METHODS
from metanas.params import Params
from metanas.search.discretize import single
from metanas.search.proxies import PROXIES


@METHODS.register("naswot")
class NasWot(RandomSearch):
    """Random search by activation patterns of untrained networks (Mellor et al., 2021)."""

    proxy: ClassVar[str] = "naswot"

    @dataclass(frozen=True)
    class Settings(RandomSearch.Settings):
        """As random-search's; a short search with many candidates, as a trial costs one or two passes."""

        sharing: Share = 0.0
        searching: Share = 0.1
        candidates: Count = 16

    def fitness(self, params: Params, episodes: Episodes) -> float:
        """The proxy on the support set of the first of the T tasks."""
        mixture, support = single(params.arch), episodes.support
        with torch.enable_grad():
            return PROXIES[self.proxy](
                self.net, params.weights, mixture, episodes.spec, support.x[0], support.y[0]
            )
