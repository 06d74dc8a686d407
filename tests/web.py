"""A small HTTP server that can be told to misbehave, for tests of downloads."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Site:
    """Files by path. faults: what happens to the next requests, in order; after that all is well.

    "500": that answer. "cut": half of what was asked for, then the connection is closed. "truncated": half of
    it, declared as if it were all. "other": other bytes of the same length. "hang up": no answer at all.
    """

    files: dict[str, bytes]
    faults: list[str] = field(default_factory=list)
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)  # the Range header of every request
    url: str = ""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """The site at `site.url` until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append(self.headers["Range"])
            fault = site.faults.pop(0) if site.faults else ""
            content = site.files.get(self.path)
            if fault == "hang up":
                self.close_connection = True
                return
            if fault == "500" or content is None:
                self.send_error(500 if fault else 404)
                return
            if fault == "other":
                content = bytes(255 - byte for byte in content)
            tag, first = f'"{hash(content)}"', 0
            asked = self.headers["Range"]
            if site.ranges and asked and self.headers["If-Range"] == tag:
                first = int(asked.removeprefix("bytes=").partition("-")[0])
            part = content[first:]
            if fault == "truncated":
                part = part[: len(part) // 2]
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("ETag", tag)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(part[: len(part) // 2] if fault == "cut" else part)
            self.close_connection = fault == "cut"

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
