"""huffpost: news headlines by 41 sections, 20/5/16 classes.

Misra 2018, in the few-shot form of Bao et al. 2020: 900 headlines per section. Read from their archive
(`huffpost.json`) or from the same lines as `data.jsonl`; label i is line i of the split files taken together.
No SHA-256 of the archive could be verified, so the first download is trusted.
"""

import json
from pathlib import Path

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.files import members, table
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
        texts, labels = _few_shot_texts(self.locate(root)[0], self.member)
        class_split = splits.read(self.name)
        classes = [name for names in class_split.values() for name in names]
        names = [classes[label] for label in labels]
        return text_examples(texts, names, class_split, items=self.items, width=self.width, words=self.words)


def _few_shot_texts(file: Path, member: str) -> tuple[list[str], list[int]]:
    """Texts and label numbers of a .jsonl file, or of a member of Bao et al.'s archive (tokenised)."""
    if file.suffix == ".jsonl":
        rows = table(file, ("text", "label"))
        return [text for text, _ in rows], [label for _, label in rows]
    contents = [content for _, content in members(file, member)]
    if len(contents) != 1:
        raise DataError(f"{file}: {len(contents)} files {member} in it, expected one")
    try:
        lines = [json.loads(line) for line in contents[0].splitlines() if line.strip()]
        return [" ".join(line["text"]) for line in lines], [line["label"] for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: {member} is not as Bao et al. describe it: {error!r}") from error
