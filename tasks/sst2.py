"""sst2: sentences of film reviews by sentiment; two classes, both meta-test classes, for transfer.

Socher et al. 2013, whole sentences with binary labels (6,920 / 872 / 1,821), not GLUE's phrases. Read from
the JSON lines of Hugging Face `SetFit/sst2`, or from CSV files (text, label). The SHA-256 of train and dev
are published; none of test could be verified.
"""

from pathlib import Path

from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import number, text
from tasks.files import table
from tasks.modality.text import text_examples

BASE = "https://huggingface.co/datasets/SetFit/sst2/resolve/main"


@DOMAINS.register("sst2")
class SST2(FromFiles):
    """Film review sentences by sentiment (Socher et al., 2013), both test classes, for transfer."""

    name = "sst2"
    modality = "text"
    licence = "none stated (research use)"
    citation = "Socher et al. 2013"
    recipe = "v1"
    items = 9_613
    remotes = (
        Remote(
            "text/sst2/train.jsonl",
            f"{BASE}/train.jsonl",
            "sha256:7a4b1cfdd65be1dc48339404db86528bb2427e1d8772860ef838b76b8c38c4a8",
        ),
        Remote(
            "text/sst2/dev.jsonl",
            f"{BASE}/dev.jsonl",
            "sha256:573c3ed18d96aa0a79a6e5980a544b80543317a319f18bd4f1660c16b2f6b939",
        ),
        Remote("text/sst2/test.jsonl", f"{BASE}/test.jsonl"),
    )
    layouts = (("text/sst2/train.csv", "text/sst2/validation.csv", "text/sst2/test.csv"),)

    def load(self, root: Path | None) -> Examples:
        columns = {"text": text, "label": number(0, 1)}
        rows = [row for file in self.locate(root) for row in table(file, columns)]
        classes = splits.read(self.name)["test"]  # in the order of the label numbers
        texts, names = [text for text, _ in rows], [classes[label] for _, label in rows]
        return text_examples(texts, names, splits.read(self.name), items=self.items, width=128, words=32)
