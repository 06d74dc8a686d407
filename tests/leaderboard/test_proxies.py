"""deploy/nginx.conf and deploy/Caddyfile before a served board: at the root of a host and below a path.

The pages and files that the board's pages name are asked for through the proxy. NOT RUN where nginx or Caddy
is missing.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import httpx
import pytest

from tests.ports import free_port
from tests.rooms import ROOT

DEPLOY = ROOT / "deploy"
PAGES = 40  # that are followed; most are methods and tasks, one like the other


class Links(HTMLParser):
    """The addresses that a page names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src", "action") and value]


@contextmanager
def running(words: list[str], url: str, folder: Path) -> Iterator[None]:
    """A program until the block ends, once `url` answers at all."""
    with (folder / f"{Path(words[0]).name}.log").open("wb") as log:
        program = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                httpx.get(url, verify=False, timeout=5)
                break
            except httpx.HTTPError:
                assert program.poll() is None, Path(log.name).read_text()
                time.sleep(0.1)
        else:
            pytest.fail(f"no answer from {words[0]}: {Path(log.name).read_text()}")
        yield
    finally:
        program.terminate()
        program.wait(30)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a board with the committed results."""
    folder, port = tmp_path_factory.mktemp("board"), free_port()
    command = [
        sys.executable,
        "-m",
        "metanas",
        "leaderboard",
        "serve",
        "--db",
        "board.db",
        "--port",
        str(port),
    ]
    with running(command, f"http://127.0.0.1:{port}/readyz", folder):
        yield port


def nginx(folder: Path, board: int, port: int, path: str) -> list[str]:
    """The command that runs nginx with deploy/nginx.conf on this port."""
    openssl = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout key -out chain".split()
    )
    subprocess.run(openssl, cwd=folder, check=True, capture_output=True)
    text = (DEPLOY / "nginx.conf").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{board}")
    for old, new in (
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("/etc/letsencrypt/live/board.example.org/fullchain.pem", str(folder / "chain")),
        ("/etc/letsencrypt/live/board.example.org/privkey.pem", str(folder / "key")),
        ("rate=20r/s", "rate=2000r/s"),  # one visitor asks for everything at once here
        ("location / {", f"location {path} {{"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    kept = "".join(
        f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; {kept}\n{text}\n}}"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]


def caddy(folder: Path, board: int, port: int, path: str) -> list[str]:
    """The command that runs Caddy with deploy/Caddyfile on this port."""
    text = (DEPLOY / "Caddyfile").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{board}")
    text = text.replace(
        "{\n",
        f"{{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n"
        f"\tstorage file_system {folder}\n",
        1,
    )
    text = text.replace("board.example.org {", f"https://127.0.0.1:{port} {{\n\ttls internal")
    if path != "/":
        inner = "\treverse_proxy"
        assert f"\n{inner}" in text
        begin = text.index(f"\n{inner}") + 1
        end = text.index("\n\t}\n", begin) + 4
        below = f"\tredir {path[:-1]} {path}\n\thandle_path {path}* {{\n{text[begin:end]}\t}}\n"
        text = text[:begin] + below + text[end:]
    (folder / "Caddyfile").write_text(text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@pytest.mark.parametrize("path", ["/", "/board/"])
@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_every_link_leads_somewhere_behind_a_proxy(proxy, path: str, board: int, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    name = proxy.__name__
    if shutil.which(name) is None:
        pytest.skip(f"NOT RUN: no {name}")
    port = free_port()
    home = f"https://127.0.0.1:{port}{path}"
    with running(proxy(tmp_path, board, port, path), home, tmp_path), httpx.Client(verify=False) as client:
        lost = client.get(urljoin(home, "no/such/page.html"))
        assert lost.status_code == 404
        asked = {str(lost.url)}  # which its own link to its contents names
        waiting = [home, *(urljoin(str(lost.url), link) for link in Links(lost.text).found)]
        while waiting and len(asked) < PAGES:
            address = urldefrag(waiting.pop(0))[0]
            if address in asked or not address.startswith(f"https://127.0.0.1:{port}/"):
                continue
            assert address.startswith(home), f"{address} leaves {path}"
            asked.add(address)
            answer = client.get(address)
            assert answer.status_code in (200, 303), f"{address}: {answer.status_code}"
            assert "max-age" in answer.headers["strict-transport-security"]
            if answer.headers["content-type"].startswith("text/html"):
                waiting += [urljoin(address, link) for link in Links(answer.text).found]
        assert len(asked) > 10
        assert client.get(urljoin(home, "metrics")).status_code == 404
        without = client.get(home[:-1]) if path != "/" else client.get(home)
        assert without.status_code in ((200,) if path == "/" else (301, 302))
        large = client.post(urljoin(home, "api/v1/submissions"), content=bytes(34 * 2**20))
        assert large.status_code == 413
