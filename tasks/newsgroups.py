"""20newsgroups: posts by 20 newsgroups, 8/5/7 classes split by top-level group.

Lang 1995, the "by date" version; class split of Bao et al. 2020. Read from the archive that scikit-learn
downloads (its SHA-256), or from Parquet files (text, label) with the same posts in lower case, letters only.
The posts of the archive are converted to that form, subject first.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import Kind, one_of, text
from tasks.files import checked, members, table
from tasks.modality.text import text_examples


@DOMAINS.register("20newsgroups")
class Newsgroups(FromFiles):
    """Posts by newsgroup (Lang, 1995); 8/5/7 classes of Bao et al., 2020."""

    name = "20newsgroups"
    modality = "text"
    licence = "none stated, freely distributed"
    citation = "Lang 1995; Bao, Wu, Chang, Barzilay 2020"
    recipe = "v1"
    items = 18_846
    remotes = (
        Remote(
            "text/20newsgroups/20news-bydate.tar.gz",
            "https://ndownloader.figshare.com/files/5975967",
            "sha256:8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
        ),
    )
    layouts = (("text/20newsgroups/train.parquet", "text/20newsgroups/test.parquet"),)

    def load(self, root: Path | None) -> Examples:
        class_split = splits.read(self.name)
        groups = one_of(splits.classes(class_split))
        rows = [row for file in self.locate(root) for row in _posts(file, groups)]
        texts, names = zip(*rows, strict=True)
        return text_examples(texts, names, class_split, items=self.items, width=256, words=64)


def _posts(file: Path, groups: Kind) -> Iterator[tuple[str, str]]:
    """(text, group) of every post."""
    if file.suffix == ".parquet":
        yield from table(file, {"text": text, "label": groups})
        return
    for name, content in members(file, ""):  # 20news-bydate-train/sci.space/60862
        group = checked(f"{file}: {name}: the folder", groups, ("/" + name).split("/")[-2])
        yield _plain(content.decode("latin-1")), group


def _plain(post: str) -> str:
    """Subject and body in lower case, letters only."""
    head, _, body = post.partition("\n\n")
    subject = re.search(r"^Subject:(.*)$", head, re.MULTILINE)
    return " ".join(re.findall(r"[a-z]+", f"{subject[1] if subject else ''} {body}".lower()))
