"""How the settings say who is asked for what: what a server and a mirror server need to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rainer.errors import InvalidError

if TYPE_CHECKING:
    from rainer.access import AccessOptions
    from rainer.api.encryption import TlsOptions
    from rainer.settings import Settings

TLS_SETTINGS: Final = ("tls_certificate", "tls_key", "tls_client_ca", "tls_client_crl")


def access_options(values: Settings) -> AccessOptions:
    """Who is asked for what; InvalidError for settings that contradict each other."""
    from rainer.access import AccessOptions, OidcOptions

    oidc = None
    if values.oidc_issuer is not None:
        if values.oidc_audience is None:
            raise InvalidError(
                "oidc_issuer is set and oidc_audience is not: a JWT made for any other service would do here",
                hint="--oidc-audience, the name that the issuer knows this server by",
            )
        oidc = OidcOptions(
            values.oidc_issuer, values.oidc_audience, values.oidc_jwks_url, values.oidc_name_claim,
            values.oidc_groups_claim,
        )  # fmt: skip
    elif values.oidc_audience or values.oidc_jwks_url or values.oidc_name_claim:
        raise InvalidError("settings of OpenID Connect are there, and no issuer", hint="--oidc-issuer URL")
    return AccessOptions(
        is_on=values.identity,
        bootstrap_token=values.bootstrap_token,
        token_path=values.token_path,
        oidc=oidc,
        rate_per_s=values.rate_per_s,
        rate_burst=values.rate_burst,
        has_certificates=values.tls_client_ca is not None,
    )


def tls_options(values: Settings) -> TlsOptions | None:
    """The certificates to serve with; None for plain HTTP."""
    from rainer.api.encryption import TlsOptions

    if values.tls_client_crl is not None and values.tls_client_ca is None:
        raise InvalidError(
            "revoked certificates are named, and no authority whose certificates are taken", hint="--tls-client-ca"
        )
    if values.tls_certificate is None:
        if values.tls_key is not None or values.tls_client_ca is not None:
            raise InvalidError("a key or clients' authorities are set, and no certificate", hint="--tls-certificate")
        return None
    return TlsOptions(values.tls_certificate, values.tls_key, values.tls_client_ca, values.tls_client_crl)
