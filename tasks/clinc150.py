"""clinc150: requests to an assistant by 150 intents in ten domains of 15, split by domain: 75/30/45 classes.

Larson et al. 2019, `data_full.json` of clinc/oos-eval. There is no published class split: domains are split
in the order of a hash, 5/2/3 (`splits/clinc150_*.txt`). The out-of-scope requests are left out.
"""

import json
from pathlib import Path

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
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
        try:
            parts = json.loads(file.read_bytes())
            pairs = [(text, name) for part in ("train", "val", "test") for text, name in parts[part]]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file}: not the JSON file of CLINC150: {error!r}") from error
        texts, names = zip(*pairs, strict=True)
        return text_examples(texts, names, splits.read(self.name), items=self.items, width=96, words=24)
