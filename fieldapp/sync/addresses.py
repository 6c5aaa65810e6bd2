"""Addresses of servers: what may be spoken to, and how the way there is secured."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from fieldapp.domain.problem import Problem
from fieldapp.sync.protocol import is_loopback


def checked_url(url: str) -> str:
    """The server's address without a trailing slash.

    Raises:
        Problem: `bad-url`, `plain-http`.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
        if any(not character.isprintable() or character.isspace() for character in host or ""):
            host = None
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username is not None:
        raise Problem("bad-url", f"{url[:100]!r} is not the address of a server.", "It looks like https://fieldapp.example.com")
    if parts.scheme == "http" and not is_loopback(host):
        raise Problem(
            "plain-http",
            f"{url[:100]} would send everything readable over the network, so it is not used.",
            "Use the address that begins with https://",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def trusted(ca_file: str) -> ssl.SSLContext:
    """Certificates that are trusted: the system's, the usual public ones, and the company's own `ca_file`.

    Raises:
        Problem: `ca-file-unusable`.
    """
    context = ssl.create_default_context()
    try:
        import certifi

        context.load_verify_locations(certifi.where())
    except (ImportError, OSError):  # the system's own are there
        pass
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Problem(
                "ca-file-unusable",
                f"The certificate file {ca_file} cannot be used ({error}).",
                "It has to be a PEM file with the certificate of the company's authority.",
            ) from error
    return context


def tls_words(text: str) -> str | None:
    """What an error of TLS means, in clear words; None where it is not one.

    Args:
        text: the error and its causes as text (OpenSSL's names of reasons are stable, its sentences are not).
    """
    lowered = text.lower()
    if "hostname mismatch" in lowered or "doesn't match" in lowered or "ip address mismatch" in lowered:
        return "the server's certificate is for another name than the address"
    if "certificate has expired" in lowered or "not yet valid" in lowered:
        return "the server's certificate is not valid today: it has expired, or this device's date is wrong"
    if "self-signed" in lowered or "self signed" in lowered or "unable to get local issuer" in lowered:
        return (
            "the server's certificate comes from an authority that this device does not know: somebody on the way may be reading "
            "along. Where the company has its own authority, set its CA file"
        )
    if "certificate_verify_failed" in lowered or "certificate verify failed" in lowered:
        return "the server's certificate cannot be trusted"
    if "wrong_version_number" in lowered or "wrong version number" in lowered or "http request" in lowered:
        return "the server does not speak TLS at this address"
    if "ssl" in lowered or "tls" in lowered:
        return "no secure connection could be made"
    return None
