"""TREC questions by the type of their answer. `trec-fine`: 20/5/10 classes; `trec-coarse`: 6, for transfer.

Li and Roth 2002, their two label files (latin-1; "NUM:dist How far is it from Denver to Aspen ?").
`trec-fine` has the 35 fine classes with at least 20 questions, split in the order of a hash
(`splits/trec_fine_*.txt`). No SHA-256 from their site could be verified, so the first download is trusted.
"""

import codecs
from pathlib import Path

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import one_of
from tasks.files import checked
from tasks.modality.text import text_examples

BASE = "https://cogcomp.seas.upenn.edu/Data/QA/QC"


@DOMAINS.register("trec-fine")
class TrecFine(FromFiles):
    """Questions by 35 fine answer types (Li and Roth, 2002); 20/5/10 classes."""

    name = "trec-fine"
    modality = "text"
    licence = "none stated (research use)"
    citation = "Li, Roth 2002"
    recipe = "v1"
    items = 5_952
    remotes = (
        Remote("text/trec/train_5500.label", f"{BASE}/train_5500.label"),
        Remote("text/trec/TREC_10.label", f"{BASE}/TREC_10.label"),
    )
    split = "trec_fine"

    def load(self, root: Path | None) -> Examples:
        class_split = splits.read(self.split)
        kind = one_of(splits.classes(class_split), others=True)
        texts, names = [], []
        for file in self.locate(root):
            for number, (label, text) in enumerate(_questions(file), 1):
                texts.append(text)
                names.append(checked(f"{file}: line {number}: label", kind, self.of_label(label)))
        return text_examples(texts, names, class_split, items=self.items, width=96, words=24)

    @staticmethod
    def of_label(label: str) -> str:
        """The class of a label such as "NUM:dist": the label itself."""
        return label


@DOMAINS.register("trec-coarse")
class TrecCoarse(TrecFine):
    """Questions by 6 coarse answer types (Li and Roth, 2002), all test classes, for transfer."""

    name = "trec-coarse"
    split = "trec_coarse"

    @staticmethod
    def of_label(label: str) -> str:
        """The coarse class of a label: NUM for "NUM:dist"."""
        return label.partition(":")[0]


def _questions(file: Path) -> list[tuple[str, str]]:
    """(label, question) of every line."""
    rows = []
    raw = file.read_bytes().removeprefix(codecs.BOM_UTF8)
    for number, line in enumerate(raw.decode("latin-1").splitlines(), 1):
        label, _, text = line.partition(" ")
        if ":" not in label or not text:
            raise DataError(f"{file}: line {number} is not 'COARSE:fine question': {line[:60]!r}")
        rows.append((label, text))
    return rows
