"""reuters: news by 31 topics, 15/5/11 classes.

Lewis 1997 (Reuters-21578), in the few-shot form of Bao et al. 2020: 20 documents per topic. The file formats
are those of `huffpost.py`.
"""

from metanas.data.adapter import DOMAINS
from tasks.huffpost import HuffPost


@DOMAINS.register("reuters")
class Reuters(HuffPost):
    """News by 31 topics, 20 documents each (Lewis, 1997); 15/5/11 classes of Bao et al., 2020."""

    name = "reuters"
    licence = "research use"
    citation = "Lewis 1997; Bao, Wu, Chang, Barzilay 2020"
    items = 620
    layouts = (("text/reuters_fewshot/data.jsonl",),)
    member, width, words = "reuters.json", 256, 64
