"""reuters: which of 31 topics is this piece of news about?

Lewis 1997 (Reuters-21578), as made few-shot by Bao et al. 2020: 20 documents a topic, class split
15/5/11. Read as `huffpost.py` reads its files.
"""

from pathlib import Path

from metanas.kinds import DOMAINS
from metanas.source import FromFiles
from metanas.store import Examples
from tasks import splits
from tasks.huffpost import ARCHIVE, few_shot_texts
from tasks.modality.text import text_examples


@DOMAINS.register("reuters")
class Reuters(FromFiles):
    """News by 31 topics, 20 documents each (Lewis, 1997); 15/5/11 classes of Bao et al., 2020."""

    name = "reuters"
    modality = "text"
    licence = "research use"
    citation = "Lewis 1997; Bao, Wu, Chang, Barzilay 2020"
    synthetic = False
    packages = ()
    recipe = "v1"
    items = 620
    remotes = (ARCHIVE,)
    layouts = (("text/reuters_fewshot/data.jsonl",),)

    def load(self, root: Path | None) -> Examples:
        texts, labels = few_shot_texts(self.locate(root)[0], "reuters.json")
        of_split = splits.read(self.name)
        classes = [name for names in of_split.values() for name in names]
        names = [classes[label] for label in labels]
        return text_examples(texts, names, of_split, items=self.items, width=256, words=64)
