"""TREC questions by what they ask for. `trec-fine`: of 50 classes; `trec-coarse`: of 6, for transfer.

Li and Roth 2002, their two label files (latin-1; "NUM:dist How far is it from Denver to Aspen ?"). The 35
fine classes with 20 questions or more, in the order of a hash: 20/5/10 (`splits/trec_fine_*.txt`). No SHA-256
from their site could be verified when this was written.
"""

from pathlib import Path

from metanas.fetch import Remote
from metanas.kinds import DOMAINS
from metanas.source import FromFiles
from metanas.store import DataError, Examples
from tasks import splits
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
        rows = [row for file in self.locate(root) for row in questions(file)]
        texts = [text for _, text in rows]
        names = [self.of_label(label) for label, _ in rows]
        return text_examples(texts, names, splits.read(self.split), items=self.items, width=96, words=24)

    @staticmethod
    def of_label(label: str) -> str:
        """The class of a label like "NUM:dist"."""
        return label


@DOMAINS.register("trec-coarse")
class TrecCoarse(TrecFine):
    """Questions by 6 coarse answer types (Li and Roth, 2002), all test classes, for transfer."""

    name = "trec-coarse"
    split = "trec_coarse"

    @staticmethod
    def of_label(label: str) -> str:
        return label.partition(":")[0]


def questions(file: Path) -> list[tuple[str, str]]:
    """(label, question) of every line."""
    found = []
    for number, line in enumerate(file.read_text(encoding="latin-1").splitlines(), 1):
        label, _, text = line.partition(" ")
        if ":" not in label or not text:
            raise DataError(f"{file}: line {number} is not 'COARSE:fine question': {line[:60]!r}")
        found.append((label, text))
    return found
