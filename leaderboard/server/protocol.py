"""Uvicorn's HTTP protocol with limits on a request's headers: their size, and the time until they are there.

Uvicorn keeps headers of any size and waits for them forever, so a few clients could use up memory or
connections before `body_limits.py` sees a request.
"""

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_BYTES = 32 * 2**10  # request line and headers
HEADER_SECONDS = 10.0


class LimitedHeaders(HttpToolsProtocol):
    """431 for headers above HEADER_BYTES; the connection ends when they take HEADER_SECONDS."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A client connected: its first request has HEADER_SECONDS from now."""
        super().connection_made(transport)
        self._timer: TimerHandle | None = None
        self._unread = 0  # bytes since the last complete headers
        self._kept = 0  # bytes of this request's complete headers, with what stands between them
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse some bytes, unless they make the headers too large."""
        self._unread += len(data)
        super().data_received(data)
        if self._timer is not None and self._unread > HEADER_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._kept = 0
        self._begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is complete."""
        self._kept += len(name) + len(value) + 4
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there: pass the request on, or refuse it."""
        self._end()
        if self._kept + len(self.url) > HEADER_BYTES:
            self._refuse()
            raise ValueError("headers too large")  # httptools stops parsing
        super().on_headers_complete()

    def _begin(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _end(self) -> None:
        self._unread = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        self._end()
        message = f"request line and headers above {HEADER_BYTES} bytes".encode()
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(message), message)
        )
        self.transport.close()
