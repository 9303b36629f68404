"""Where an endpoint is and how it is told who asks: addresses, keys and headers, apart from what may be shown."""

from __future__ import annotations

import ipaddress
import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from evalharness.errors import UserError, option_name
from evalharness.events import warn
from evalharness.text.visible import line

_AZURE = re.compile(r"\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)\Z")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SHORTEST_SECRET = 4  # characters: what is shorter would be taken out of ordinary words


@dataclass(frozen=True, kw_only=True)
class Place:
    """An address as the user wrote it, in parts. `base` is fit for logs and manifests: without user, query and key."""

    base: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def azure(self) -> bool:
        """Azure OpenAI, in either form: a deployment's own address, or `/openai/v1`."""
        parts = urlsplit(self.base)
        return (
            _AZURE.search(parts.hostname or "") is not None
            or "/openai/deployments/" in parts.path
            or "api-version" in dict(parse_qsl(self.query))
        )

    @property
    def here(self) -> bool:
        """Whether it is this machine's own."""
        host = urlsplit(self.base).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def plain(self) -> bool:
        """Whether everybody on the way can read what is sent."""
        return urlsplit(self.base).scheme == "http"

    def url(self, path: str) -> str:
        return self.base + path + (f"?{self.query}" if self.query else "")


def place_of(address: str, ends: Sequence[str] = ()) -> Place:
    """An address in parts, without an end that the endpoint's own path would repeat. UserError where it is none."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  # raises where it is none
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in address):
        shown = line(public(address))
        raise UserError(f"{option_name('base_url', shown)}: wanted an address such as http://localhost:8000/v1")
    path = parts.path.rstrip("/")
    for end in ends:
        path = path.removesuffix(end)
    user, _, host = parts.netloc.rpartition("@")
    headers, secrets = {}, [value for _, value in parse_qsl(parts.query) if value]
    if user:
        name, _, password = user.partition(":")
        secrets += [user, unquote(name), unquote(password)]
        told = b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        headers["Authorization"] = f"Basic {told}"
        secrets.append(told)
    kept = tuple(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET and not _is_version(secret))
    return Place(base=f"{parts.scheme}://{host}{path}", query=parts.query, headers=headers, secrets=kept)


def _is_version(text: str) -> bool:
    """Azure's `api-version` stands in addresses beside what is secret, and is none."""
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?|preview|latest", text) is not None


def public(url: str) -> str:
    """An address without user name, password and query, fit for logs and manifests."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url.partition("?")[0]
    host, slash, path = re.split("[?#]", rest)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def api_key(names: Sequence[str]) -> str:
    """The key in the first of these variables that has one, '' for none. UserError for what is no key."""
    for name in names:
        if key := os.environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise UserError(f"{name} holds characters that no key has; copy it again")
            return key
    return ""


def own_headers(given: Sequence[str]) -> dict[str, str]:
    """Headers that the user named as NAME=ENVVAR, with the values of their variables."""
    found = {}
    for word in given:
        name, equals, variable = (part.strip() for part in word.partition("="))
        if not equals or not _HEADER.fullmatch(name) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            # The word is not repeated: what stands behind the sign may be the secret itself.
            raise UserError(
                f"{option_name('header')} wants NAME=ENVVAR, the value of the header being in the environment; "
                f"there is {line(name, 40)!r}"
            )
        value = os.environ.get(variable, "").strip()
        if not value:
            raise UserError(f"{option_name('header')} {name}: the environment has no {variable}")
        if not (value.isascii() and value.isprintable()):
            raise UserError(f"{option_name('header')} {name}: {variable} holds characters that no header has")
        found[name] = value
    return found


def warn_of_plain(place: Place, key: str) -> None:
    """A key that goes to another machine in the open is worth a word."""
    if key and place.plain and not place.here:
        warn(f"{place.base}: the key is sent over plain http to another machine; everybody on the way can read it")
