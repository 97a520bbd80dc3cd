"""A connection to the JobManager that stays open, for who asks it every second.

Each new connection costs both ends a handshake of TLS in which either shows a certificate: 20 ms of CPU a second in all, on a stack
without events.
"""

import http.client
import io
import ssl
import threading
import urllib.error
from email.message import Message
from urllib.parse import urlsplit


class KeptConnection:
    """Connection that is opened with the first request, and again when the other end has closed it."""

    def __init__(self, url: str, context: ssl.SSLContext, timeout_seconds: float) -> None:
        self._address = urlsplit(url).netloc
        self._context, self._timeout_seconds = context, timeout_seconds
        self._connection: http.client.HTTPSConnection | None = None
        self._lock = threading.Lock()

    def request(self, method: str, path: str, body: bytes | None) -> bytes:
        """Return the body of an answer.

        Raises:
            OSError: the other end does not answer, or not with HTTP.
            urllib.error.HTTPError: it answers with an error.
        """
        with self._lock:
            if self._connection is not None:
                try:
                    return self._ask(self._connection, method, path, body)
                except ConnectionError:
                    self.close()  # it was open for long: what is new has its say
            self._connection = http.client.HTTPSConnection(
                self._address, timeout=self._timeout_seconds, context=self._context
            )
            return self._ask(self._connection, method, path, body)

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _ask(self, connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None) -> bytes:
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(str(error)) from error
        except OSError:
            self.close()  # half an answer must not be taken for the next one's
            raise
        if answer.status >= 400:
            raise urllib.error.HTTPError(path, answer.status, answer.reason, Message(), io.BytesIO(text))
        return text
