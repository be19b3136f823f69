"""The certificate of the embedded AWS, and the authority that clients trust for it: made here, and made again if damaged."""

from __future__ import annotations

import ssl

from podium.project import CA_BUNDLE
from training.files import write_atomically

CERTIFICATE = CA_BUNDLE.with_name("server.pem")
KEY = CA_BUNDLE.with_name("server-key.pem")


def make_certificate() -> bool:
    """Make a certificate authority in this home, and a certificate for loopback signed by it; False if they are there."""
    if _is_whole():
        return False
    import trustme

    CA_BUNDLE.parent.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    chain = server.cert_chain_pems[0].bytes() + authority.cert_pem.bytes()
    for path, pem in (
        (KEY, server.private_key_pem.bytes()),
        (CERTIFICATE, chain),
        (CA_BUNDLE, authority.cert_pem.bytes()),
    ):
        write_atomically(pem.decode(), path, private=True)
    return True


def _is_whole() -> bool:
    try:
        ssl.create_default_context(cafile=str(CA_BUNDLE))
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(CERTIFICATE, KEY)
    except OSError:  # gone, or an SSLError: not to be read, or the key of another certificate
        return False
    return True
