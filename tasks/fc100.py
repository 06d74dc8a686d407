"""fc100: CIFAR-100 split by superclass (Oreshkin et al. 2018): meta-test classes are far from the others.

60/20/20 classes of 12/4/4 superclasses; the files are those of `cifar_fs.py`.
"""

from metanas.data.adapter import DOMAINS
from tasks.cifar_fs import CifarFS


@DOMAINS.register("fc100")
class FC100(CifarFS):
    """CIFAR-100, 32x32, as FC100: 60/20/20 classes, no superclass in two splits (Oreshkin et al., 2018)."""

    name = "fc100"
    citation = "Krizhevsky 2009; Oreshkin, Rodriguez, Lacoste 2018"
    split = "fc100"
