"""clinc150: requests to an assistant by 150 intents in ten domains of 15, split by domain: 75/30/45 classes.

Larson et al. 2019, `data_full.json` of clinc/oos-eval. There is no published class split: domains are split
in the order of a hash, 5/2/3 (`splits/clinc150_*.txt`). The out-of-scope requests are left out.
"""

from collections.abc import Iterator
from pathlib import Path

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import Kind, one_of, text
from tasks.files import checked, json_object
from tasks.modality.text import text_examples


@DOMAINS.register("clinc150")
class Clinc150(FromFiles):
    """Requests by 150 intents (Larson et al., 2019); 75/30/45 classes, no domain in two splits."""

    name = "clinc150"
    modality = "text"
    licence = "CC BY 3.0"
    citation = "Larson et al. 2019"
    recipe = "v1"
    items = 22_500
    remotes = (
        Remote(
            "text/clinc150/data_full.json",
            "https://raw.githubusercontent.com/clinc/oos-eval/master/data/data_full.json",
            "sha256:36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
        ),
    )

    def load(self, root: Path | None) -> Examples:
        file = self.locate(root)[0]
        class_split = splits.read(self.name)
        texts, names = zip(*_requests(file, one_of(splits.classes(class_split))), strict=True)
        return text_examples(texts, names, class_split, items=self.items, width=96, words=24)


def _requests(file: Path, intents: Kind) -> Iterator[tuple[str, str]]:
    """(request, intent) of every row of the three parts."""
    parts = json_object(str(file), file.read_bytes())
    for part in ("train", "val", "test"):
        if not isinstance(rows := parts.get(part), list) or not rows:
            raise DataError(f"{file}: not the JSON file of CLINC150: it has no list {part!r}")
        for number, row in enumerate(rows, 1):
            if not isinstance(row, list) or len(row) != 2:
                raise DataError(f"{file}: {part}, row {number}: expected [request, intent], got {row!r:.60}")
            place = f"{file}: {part}, row {number}"
            yield checked(f"{place}: request", text, row[0]), checked(f"{place}: intent", intents, row[1])
