"""Asks whether there is a network, before a client takes up to a minute to give up."""

import socket
import threading
import urllib.parse
import urllib.request

_PATIENCE = 1.5
"""Seconds to wait for a first sign of a server; clients take up to a minute to give up."""


def first_host(address: str) -> tuple[str, int]:
    """Find the host and port that a client of `address` connects to: a proxy where one is set."""
    url = urllib.parse.urlsplit(address)
    if not urllib.request.proxy_bypass(url.hostname or ""):
        proxy = urllib.request.getproxies().get(url.scheme)
        url = urllib.parse.urlsplit(proxy) if proxy else url
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def reachable(host: str, port: int) -> bool:
    """Try to open a connection within a second or two."""
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=_PATIENCE).close()
            answered.set()
        except OSError:
            pass

    # In a thread: the look-up of a name has no time limit of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return answered.is_set()
