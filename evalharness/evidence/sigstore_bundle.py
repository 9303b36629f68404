"""A statement signed by sigstore: by who one is (a login, or the identity of a CI job) in place of a key that is kept.

The bundle (https://docs.sigstore.dev/about/bundle/) holds the statement in a DSSE envelope, the certificate and the
entry in the public log; `sigstore verify` and cosign check it. Signing wants the network, and the package `sigstore`.
"""

from __future__ import annotations

from importlib.util import find_spec

from evalharness.errors import UserError, option_name

_INSTEAD = "or sign by a key, which wants no network"


def sigstore_bundle(statement: bytes) -> bytes:
    """The bundle of an in-toto statement, signed as whoever the surroundings say one is, else by a login in a browser.
    UserError where the package is missing, sigstore cannot be reached, or nobody logs in."""
    if find_spec("sigstore") is None:
        raise UserError(
            f"{option_name('sigstore')} wants the package sigstore: pip install 'evalharness[sigstore]'; "
            f"{_INSTEAD}: {option_name('key', 'FILE')}"
        )
    from sigstore.dsse import Statement
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import ExpiredIdentity, IdentityToken, Issuer, IssuerError, detect_credential
    from sigstore.sign import SigningContext

    try:
        trusted = ClientTrustConfig.production()
        ambient = detect_credential()
        identity = Issuer.from_trust_config(trusted).identity_token() if ambient is None else IdentityToken(ambient)
        with SigningContext.from_trust_config(trusted).signer(identity) as signer:
            bundle: str = signer.sign_dsse(Statement(statement)).to_json()
            return bundle.encode() + b"\n"
    except (Error, IssuerError, ExpiredIdentity, OSError) as error:  # requests' errors are OSErrors
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"sigstore cannot sign here ({said[:200]}): it wants the network and who you are; {_INSTEAD}: "
            f"{option_name('key', 'FILE')}"
        ) from error
