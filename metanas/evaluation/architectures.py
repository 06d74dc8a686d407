"""architecture.json of a finished run: the architecture that most episodes of each task were given."""

from pathlib import Path

from metanas.base import json_text
from metanas.base.errors import DamagedFile

ARCHITECTURE = "architecture.json"


def derived_texts(folder: Path) -> dict[str, str]:
    """The text of the most frequent architecture by task; empty for a method without one.

    DamagedFile if the file is missing or is not as a run writes it.
    """
    path = folder / ARCHITECTURE
    remedy = "delete submission.json beside it and run again: what was trained is kept"
    tasks = json_text.read(path, remedy, keys=("tasks",))["tasks"]
    try:
        return {str(name): str(task["text"]) for name, task in tasks.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise DamagedFile(f"{path} is damaged ({error!r}); {remedy}") from error
