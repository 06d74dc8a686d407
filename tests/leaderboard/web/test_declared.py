"""What entrants declare is shown, and declared test data waits for a person; the rules say how to enter."""

import re
from html.parser import HTMLParser
from pathlib import Path

from leaderboard.accounts.quota import DAY, DEFAULT
from leaderboard.bundle.pack import collect, to_zip
from leaderboard.web import links
from leaderboard.web.routes import open_site
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served
from tests.leaderboard.site import Fixed, standing

OUTSIDE = {"name": "Big <b>Set</b>", "url": "https://example.org/set", "overlaps_with": ["digits"]}
CODE = {"url": "https://example.org/code", "commit": "abcdef0", "licence": "MIT"}


def bundle(folder: Path, method: str, overlaps: list[str]) -> bytes:
    bundles.run(folder, method)
    about = {**bundles.ABOUT, "external_data": [{**OUTSIDE, "overlaps_with": overlaps}], "code": CODE}
    return to_zip(collect(folder, about))


@SQLITE
def test_declared_test_data_waits_for_a_reviewer_and_other_data_is_published_at_once(
    server: Served, tmp_path: Path
) -> None:
    identity, other = (
        server.post(bundle(tmp_path / method, method, overlaps)).json()["id"]
        for method, overlaps in (("mine", ["digits", "elsewhere"]), ("other", ["elsewhere"]))
    )
    server.work()
    assert server.get(f"submissions/{other}").json()["state"] == "published"
    assert server.get(f"submissions/{identity}").json()["state"] == "flagged"
    reason = server.get(f"submissions/{identity}/events").json()["events"][-1]["reason"]
    assert reason == "Big <b>Set</b> holds test classes of digits, as declared"
    body = {"verdict": "publish", "reason": "disjoint after all"}
    url = f"/api/v1/submissions/{identity}/decision"
    assert server.client.post(url, json=body, headers=server.headers("reviewer")).status_code == 200
    assert server.get(f"submissions/{identity}").json()["state"] == "published"


def test_the_method_page_shows_what_was_declared_as_text_and_links_nobody_follows_by_machine(
    tmp_path: Path,
) -> None:
    found = standing(tmp_path / "x", "m", 0.5)
    object.__setattr__(
        found,
        "entry",
        {
            "summary": "s",
            "claims": {},
            "authors": [{"name": "A. B."}],
            "code": CODE,
            "external_data": [OUTSIDE],
        },
    )
    page = open_site(Fixed([found]), live=True).get(links.method(found.track, "m")).content.decode()
    for words in ("A. B.", "Big &lt;b&gt;Set", "holds test classes of digits", "abcdef0", "MIT"):
        assert words in page, words
    outward = re.findall(r'<a href="(https?:[^"]+)"([^>]*)>', page)
    assert {url for url, _ in outward} == {CODE["url"], OUTSIDE["url"]}
    assert all('rel="nofollow ugc noopener"' in rest for _, rest in outward)


class Anchors(HTMLParser):
    """Ids of a page, and the places in itself that it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        target = named.get("href") or ""
        self.targets += [target[1:]] if target.startswith("#") else []


def test_the_rules_lead_to_each_of_their_parts_and_back_to_the_board(tmp_path: Path) -> None:
    found = standing(tmp_path / "x", "m", 0.5)
    page = open_site(Fixed([found]), live=True).get(links.RULES).content.decode()
    anchors = Anchors(page)
    headings = re.findall(r'<h2 id="([a-z]+)">', page)
    assert headings and set(headings) < set(anchors.targets) <= set(anchors.ids)
    assert page.count("<h2") == len(headings), "every part can be linked to"
    for target in (links.board(found.track), links.board(found.track, "compare.html"), links.TRANSFER):
        assert f'href="{target}"' in page


def test_the_rules_name_the_quotas_that_are_counted(tmp_path: Path) -> None:
    page = open_site(Fixed([]), live=True).get(links.RULES).content.decode()
    for kind in ("submission", "challenge", "dispute"):
        for most, window in DEFAULT[kind]:
            assert f"{most} times {'a day' if window == DAY else f'in {window.days} days'}" in page
