"""banking77: questions to a bank by 77 intents, 45/12/20 classes.

Casanueva et al. 2020, the two CSV files of PolyAI. There is no published class split: classes are split in
the order of a hash (`splits/banking77_*.txt`). The training and test texts of a class are merged.
"""

from pathlib import Path

from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import one_of, text
from tasks.files import table
from tasks.modality.text import text_examples

BASE = "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/master/banking_data"


@DOMAINS.register("banking77")
class Banking77(FromFiles):
    """Questions to a bank by 77 intents (Casanueva et al., 2020); 45/12/20 classes."""

    name = "banking77"
    modality = "text"
    licence = "CC BY 4.0"
    citation = "Casanueva, Temcinas, Gerz, Henderson, Vulic 2020"
    recipe = "v1"
    items = 13_083
    remotes = (
        Remote(
            "text/banking77/train.csv",
            f"{BASE}/train.csv",
            "sha256:b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
        ),
        Remote(
            "text/banking77/test.csv",
            f"{BASE}/test.csv",
            "sha256:d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
        ),
    )

    def load(self, root: Path | None) -> Examples:
        class_split = splits.read(self.name)
        columns = {"text": text, "category": one_of(splits.classes(class_split))}
        rows = [row for file in self.locate(root) for row in table(file, columns)]
        texts, names = zip(*rows, strict=True)
        return text_examples(texts, names, class_split, items=self.items, width=128, words=32)
