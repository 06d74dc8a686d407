"""Pages of domains: every built-in one has a card that agrees with its adapter, and samples where allowed."""

import json
from pathlib import Path

import pytest

from leaderboard.bundle import domain_cards
from leaderboard.web import links
from leaderboard.web.render import Missing
from leaderboard.web.routes import open_site
from metanas.data import cards
from metanas.data.adapter import DOMAINS
from metanas.data.suite import built_in, load_suite
from tests.leaderboard.site import Fixed, standing

SUITES = {name: load_suite(name).domains for name in built_in()}
BUILT_IN = sorted({domain for domains in SUITES.values() for domain in domains})
MOST_BYTES = 100_000  # of a domain's samples


@pytest.mark.parametrize("domain", BUILT_IN)
def test_a_card_says_what_the_adapter_says(domain: str) -> None:
    document = json.loads((domain_cards.FOLDER / domain / cards.CARD).read_text())
    told = cards.about(domain, DOMAINS[domain]())
    assert {key: document[key] for key in told} == told, "metanas data cards writes it anew"
    assert document["splits"]["test"]["classes"] >= 2
    if not cards.FREE.search(document["licence"]):
        assert document["samples"] == [], "the licence does not allow samples"
    files = {path.name for path in (domain_cards.FOLDER / domain).iterdir()} - {cards.CARD}
    named = {sample[key] for sample in document["samples"] for key in ("picture", "clip") if key in sample}
    assert files == named
    assert sum(path.stat().st_size for path in (domain_cards.FOLDER / domain).iterdir()) < MOST_BYTES


@pytest.mark.parametrize(
    ("domain", "kind"), [("digits", "<img"), ("langid", "<blockquote"), ("spoken-words", "<audio")]
)
def test_a_domain_can_be_seen_read_or_heard(tmp_path: Path, domain: str, kind: str) -> None:
    site = open_site(Fixed([standing(tmp_path / "x", "m", 0.5)]), live=False)
    page = site.get(links.domain(domain)).content.decode()
    card = domain_cards.find(domain)
    assert card is not None and card.samples and page.count(kind) == len(card.samples)
    for part in (card.licence, card.citation, card.splits["test"].names[0], card.splits["train"].names[0]):
        assert part in page
    assert ("5-way 1-shot" in page) == (domain != "langid"), "the tasks of the board"
    for sample in card.samples:
        for key in ("picture", "clip"):
            if key in sample:
                assert site.get(f"static/domains/{domain}/{sample[key]}").media in ("image/png", "audio/flac")


def test_a_domain_without_samples_says_why(tmp_path: Path) -> None:
    page = open_site(Fixed([]), live=True).get(links.domain("huffpost")).content.decode()
    assert "the licence does not say that examples may be passed on" in page
    assert "metanas data show huffpost --out page.html" in page and "No result on this domain yet" in page


def test_all_domains_are_listed_and_those_of_outside_suites_with_their_tasks(tmp_path: Path) -> None:
    one = standing(tmp_path / "x", "m", 0.5)
    tasks = (one.document.tasks[0], one.document.tasks[1].model_copy(update={"domain": "birds"}))
    object.__setattr__(one, "document", one.document.model_copy(update={"tasks": tasks}))
    accuracies = dict(zip((task.name for task in tasks), one.accuracies.values(), strict=True))
    object.__setattr__(one, "accuracies", accuracies)
    site = open_site(Fixed([one]), live=True)
    listed = site.get(links.DOMAINS).content.decode()
    for domain in (*BUILT_IN, "birds"):
        assert f'href="{links.domain(domain)}"' in listed
    page = site.get(links.domain("birds")).content.decode()
    assert "The data of an outside suite" in page and "5-way 1-shot" in page
    with pytest.raises(Missing):
        site.get("domains/fish.html")


def test_making_a_card_again_gives_the_committed_one(tmp_path: Path) -> None:
    folder = cards.write("digits", tmp_path, None)
    (folder / "old.png").write_bytes(b"")
    cards.write("digits", tmp_path, None)
    kept = domain_cards.FOLDER / "digits"
    assert (folder / cards.CARD).read_text() == (kept / cards.CARD).read_text()
    assert {path.name for path in folder.iterdir()} == {path.name for path in kept.iterdir()}
