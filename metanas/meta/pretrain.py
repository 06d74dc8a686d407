"""A linear classifier of all meta-train classes on the shared features: the loss of plain pretraining.

Chen et al.: A Closer Look at Few-shot Classification (ICLR 2019). One matrix per domain, in the state under
classifier/; at test tasks it is not used.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.models.network import Network, features
from metanas.params import Params, Tensors


def classifiers(net: Network, params: Params, specs: Sequence[TaskSpec]) -> Tensors:
    """classifier/<domain> (classes, F) of every domain, all zeros."""
    matrices = {}
    for spec in specs:
        x = torch.zeros(2, *spec.input_shape, dtype=torch.long if spec.vocabulary else None)
        with torch.no_grad():
            size = features(net, params, x, spec).shape[1]
        matrices[f"classifier/{spec.name}"] = torch.zeros(spec.classes, size)
    return matrices


def class_loss(classifier: Tensor, embedded: Tensor, examples: Batch, episodes: Episodes) -> Tensor:
    """Mean cross-entropy () over all meta-train classes of T tasks' examples, embedded (T, B, F).

    classifier: (classes, F). examples: their labels y (T, B) in [0, ways). episodes: of meta-training, whose
    `classes` say which class a label stands for.
    """
    assert episodes.classes is not None  # meta-training episodes have them
    logits = (embedded @ classifier.T).flatten(0, 1)  # (T * B, classes)
    return F.cross_entropy(logits, episodes.classes.gather(1, examples.y).flatten())
