"""Tasks as a map-style torch Dataset, to be indexed or handed to a `torch.utils.data.DataLoader`.

Task i of (domain, split, shape, seed) is a pure function of i, so any worker may draw any task, in any order,
and a loader that starts at task 1,000 gives the same bytes as one that came there from task 0.
"""

from collections.abc import Callable, Sequence

import torch
from torch.utils.data import Dataset

from metanas.base.errors import InvalidValue
from metanas.data.episode import Batch, Episodes


class TaskDataset(Dataset[Episodes]):
    """`len(tasks)` few-shot tasks; `tasks[i]` is an `Episodes` of one task (T = 1).

    draw: the tasks with these numbers, side by side (`Domain.tasks` binds it).
    """

    def __init__(self, draw: Callable[[Sequence[int]], Episodes], size: int) -> None:
        if not isinstance(size, int) or size < 1:
            raise InvalidValue(f"size must be a positive whole number, got {size!r:.60}")
        self.draw, self.size = draw, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Episodes:
        """Task `index`. IndexError beyond the size."""
        if not 0 <= index < self.size:
            raise IndexError(f"there are tasks 0..{self.size - 1}, got {index}")
        return self.draw([index])

    def __getitems__(self, indices: Sequence[int]) -> list[Episodes]:
        """What a DataLoader calls: all tasks of a batch in one draw."""
        return [self.draw(indices)]

    @staticmethod
    def collate(tasks: Sequence[Episodes]) -> Episodes:
        """The `collate_fn` of a DataLoader: tasks of one domain and shape side by side (T, ...)."""
        if len(tasks) == 1:
            return tasks[0]
        classes = [task.classes for task in tasks if task.classes is not None]
        return Episodes(
            tasks[0].spec,
            _joined([task.support for task in tasks]),
            _joined([task.query for task in tasks]),
            torch.cat(classes) if classes else None,
        )


def _joined(batches: Sequence[Batch]) -> Batch:
    return Batch(torch.cat([b.x for b in batches]), torch.cat([b.y for b in batches]))
