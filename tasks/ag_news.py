"""ag_news: news by 4 topics (World, Sports, Business, Sci/Tech), all meta-test classes, for transfer.

Zhang, Zhao, LeCun 2015. Read from the two original CSV files (class 1-4, title, description; the MD5 sums are
those that torchtext lists), or from files with a header (text, label 0-3). Only the description is used: the
sample that this was developed with has no titles.
"""

import csv
from pathlib import Path

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import number, text
from tasks.files import table
from tasks.modality.text import text_examples

BASE = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv"


@DOMAINS.register("ag_news")
class AGNews(FromFiles):
    """News by 4 topics (Zhang et al., 2015), all test classes, for transfer."""

    name = "ag_news"
    modality = "text"
    licence = "research and non-commercial use"
    citation = "Zhang, Zhao, LeCun 2015"
    recipe = "v1"
    items = 127_600
    remotes = (
        Remote(
            "text/ag_news/original/train.csv", f"{BASE}/train.csv", "md5:b1a00f826fdfbd249f79597b59e1dc12"
        ),
        Remote("text/ag_news/original/test.csv", f"{BASE}/test.csv", "md5:d52ea96a97a2d943681189a97654912d"),
    )
    layouts = (("text/ag_news/train.csv", "text/ag_news/test.csv"),)

    def load(self, root: Path | None) -> Examples:
        rows = [row for file in self.locate(root) for row in _read(file)]
        classes = splits.read(self.name)["test"]
        texts, names = [text for text, _ in rows], [classes[label] for _, label in rows]
        return text_examples(texts, names, splits.read(self.name), items=self.items, width=256, words=64)


def _read(file: Path) -> list[tuple[str, int]]:
    """(description, class 0-3) of every row."""
    if file.parent.name != "original":
        return table(file, {"text": text, "label": number(0, 3)})
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.reader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{file}: not a readable .csv file: {error}") from error
    if invalid := [i for i, row in enumerate(rows, 1) if len(row) != 3 or row[0] not in tuple("1234")]:
        raise DataError(f"{file}: row {invalid[0]} is not 'class 1-4, title, description'")
    return [(description, int(label) - 1) for label, _, description in rows]
