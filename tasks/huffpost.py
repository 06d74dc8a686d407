"""huffpost: news headlines by 41 sections, 20/5/16 classes.

Misra 2018, in the few-shot form of Bao et al. 2020: 900 headlines per section. Read from their archive
(`huffpost.json`) or from the same lines as `data.jsonl`; label i is line i of the split files taken together.
No SHA-256 of the archive could be verified, so the first download is trusted.
"""

from pathlib import Path

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import Kind, number, text
from tasks.files import checked, json_object, members, table
from tasks.modality.text import text_examples

ARCHIVE = Remote(
    "text/distributional-signatures.zip",
    "https://people.csail.mit.edu/yujia/files/distributional-signatures/data.zip",
)


@DOMAINS.register("huffpost")
class HuffPost(FromFiles):
    """News headlines by 41 sections (Misra, 2018); 20/5/16 classes of Bao et al., 2020."""

    name = "huffpost"
    modality = "text"
    licence = "none stated"
    citation = "Misra 2018; Bao, Wu, Chang, Barzilay 2020"
    recipe = "v1"
    items = 36_900
    remotes = (ARCHIVE,)
    layouts = (("text/huffpost/data.jsonl",),)
    member, width, words = "huffpost.json", 96, 24

    def load(self, root: Path | None) -> Examples:
        class_split = splits.read(self.name)
        classes = splits.classes(class_split)
        rows = _few_shot_texts(self.locate(root)[0], self.member, number(0, len(classes) - 1))
        texts, names = [text for text, _ in rows], [classes[label] for _, label in rows]
        return text_examples(texts, names, class_split, items=self.items, width=self.width, words=self.words)


def _few_shot_texts(file: Path, member: str, label: Kind) -> list[tuple[str, int]]:
    """Text and label number of every row of a .jsonl file, or of a tokenised one in Bao et al.'s archive."""
    if file.suffix == ".jsonl":
        return table(file, {"text": text, "label": label})
    contents = [content for _, content in members(file, member)]
    if len(contents) != 1:
        raise DataError(f"{file}: {len(contents)} files {member} in it, expected one")
    lines = [line for line in contents[0].splitlines() if line.strip()]
    return [_tokenised(f"{file}: {member}: row {i}", line, label) for i, line in enumerate(lines, 1)]


def _tokenised(place: str, line: bytes, label: Kind) -> tuple[str, int]:
    row = json_object(place, line)
    tokens = row.get("text")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise DataError(f"{place}: text is {tokens!r:.60}; expected a list of tokens")
    joined = checked(f"{place}: text", text, " ".join(tokens))
    return joined, checked(f"{place}: label", label, row.get("label"))
