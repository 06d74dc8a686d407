"""Pictures of a board with the committed results, for the docs: `python -m tests.browser.screenshots`.

The top of pages, wide (1400 px) and narrow (400 px), as PNG with 64 colours: those of docs/leaderboard.md to
docs/board/, or all of them, dark ones too, to a folder that is given.
"""

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
from PIL import Image

from leaderboard.ranking.standing import home_track
from leaderboard.repository import results
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.static_site import boards
from tests.browser.page import Page, chromium
from tests.ports import free_port

OUT = Path(__file__).parents[2] / "docs" / "board"
SHOWN = (
    *("ranked-1400", "ranked-400", "method-1400", "compare-400", "pareto-1400", "significance-1400"),
    *("transfer-1400", "transfer-400"),
)
TALLEST = {1400: 1600, 400: 1400}  # pixels


@contextmanager
def served(db: Path) -> Iterator[str]:
    """The address of `metanas leaderboard serve` on a new board, with what is committed published."""
    port = free_port()
    words = ["leaderboard", "serve", "--db", str(db), "--port", str(port)]
    with closing(Store(db)) as store:  # a server itself publishes it after its start
        results.open_with(store)
    process = subprocess.Popen([sys.executable, "-m", "metanas", *words])
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def pages(db: Path) -> dict[str, str]:
    """Name -> address of what is to be seen, with the first methods and the first task of the home board."""
    store = Store(db)
    first_page = home_track(store) or sys.exit("there is nothing in leaderboard/results to show")
    board = next(board for board in boards(store) if board.track == first_page)
    store.close()
    track = links.slug(board.track)
    first, second = (line.method for line in board.lines[:2])
    return {
        "ranked": f"{track}/index.html",
        "pareto": f"{track}/pareto-macs.html",
        "method": f"{track}/methods/{first}.html",
        "compare": f"{track}/compare.html?m={first}&m={second}",
        "significance": f"{track}/significance.html",
        "submit": "submit.html",
        "domains": "domains.html",
        "image": "domains/digits.html",
        "text": "domains/langid.html",
        "speech": "domains/spoken-words.html",
        "api": "api.html",
        "cite": "cite.html",
        "missing": "no/such/page.html",
        "nothing": f"{track}/index.html?q=nobody",
        "choose": f"{track}/compare.html?m={first}",
        "task": links.task(board.track, board.tasks[0].name),
        "transfer": links.study("mini-v1/maml"),
        "rules": "rules.html",
    }


def picture(page: Page, width: int) -> Image.Image:
    """The top of the open page."""
    height = int(page.driver.execute_script("return document.documentElement.scrollHeight"))
    size = {"width": width, "height": min(height, TALLEST[width]), "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    found = Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
    return found.quantize(64, dither=Image.Dither.NONE)


def main() -> None:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert browser and driver, "apt-get install chromium chromium-driver"
    everything = len(sys.argv) > 1
    out = Path(sys.argv[1]) if everything else OUT
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "board.db"
        with served(db) as address:
            page = Page(chromium(browser, driver))
            for name, where in pages(db).items():
                for width, dark in ((width, dark) for dark in (False, True) for width in TALLEST):
                    if not everything and (dark or f"{name}-{width}" not in SHOWN):
                        continue
                    page.dark(dark)
                    page.width(width)
                    page.go(f"{address}/{where}")
                    target = out / f"{name}-{width}{'-dark' if dark else ''}.png"
                    picture(page, width).save(target, optimize=True)
                    print(f"{target.name}: {target.stat().st_size // 1000} kB, {page.too_wide()} px too wide")
            page.driver.quit()


if __name__ == "__main__":
    main()
