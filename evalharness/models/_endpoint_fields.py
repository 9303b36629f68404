"""What every plug-in of an endpoint makes of its options and its address: who asks, how fast, for what price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalharness.clients.pacing import RateCaps
from evalharness.clients.pool import Retry
from evalharness.models._addresses import Place, api_key, own_headers, warn_of_plain
from evalharness.models._chosen import chosen
from evalharness.models._prices import prices_of
from evalharness.options import ApiOptions

FIRST_AT_A_TIME, MOST_AT_A_TIME = 16, 128  # requests in flight where the user names no number


def endpoint_fields(
    options: ApiOptions, place: Place, model: str, *, keys: Sequence[str], reserved: Sequence[str]
) -> dict[str, Any]:
    """Fields of an `Endpoint`. `keys` are the variables that may hold its key, `reserved` the fields of a body that the
    question decides. UserError for a key or a header that is none, and for further fields (`extra`) that are no object
    or say one of those.
    """
    key = api_key(keys)
    warn_of_plain(place, key)
    return {
        "model": model,
        "base_url": place.base,
        "query": place.query,
        "key": key,
        "headers": {**place.headers, **own_headers(options.header)},
        "secrets": place.secrets,
        "chosen": chosen(options, reserved),
        "priced": prices_of(options, place.base, model),
        "workers": options.concurrency or MOST_AT_A_TIME,
        "start": None if options.concurrency else FIRST_AT_A_TIME,
        "caps": RateCaps(rpm=options.rpm, tpm=options.tpm),
        "retry": Retry(deadline=options.request_timeout),
    }
