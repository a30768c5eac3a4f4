"""Make the certificates and keys of a deployment, in memory.

Flower's TLS wants one authority that every device knows, and a server certificate with subject
alternative names. Its node authentication wants a key pair on a NIST curve, the private half as an
unencrypted OpenSSH file. `clients.credentials` lays the results out as files.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from federation.errors import BadInput

# A new authority must be carried to every device, so it outlives the server certificates.
AUTHORITY_DAYS = 3650
# A small computer without a clock chip may start in the past.
CLOCK_SLACK = timedelta(days=1)
_DNS_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")

_KeyUse = Literal["authority", "server"]


@dataclass(frozen=True)
class Certified:
    """A private key and the certificate that vouches for it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def key_pem(self) -> bytes:
        """Return the private key, unencrypted PKCS #8 in PEM."""
        return _private_bytes(self.key, serialization.PrivateFormat.PKCS8)

    def certificate_pem(self) -> bytes:
        """Return the certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def make_authority(days: int = AUTHORITY_DAYS) -> Certified:
    """Make a self-signed authority that may sign server certificates and no other authority."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = _name("Paceline authority")
    builder = _certificate(name, name, key.public_key(), key.public_key(), days, "authority")
    return Certified(key, builder.sign(key, hashes.SHA384()))


def make_server(authority: Certified, hosts: Sequence[str], days: int) -> Certified:
    """Make the SuperLink's key and a certificate valid for `hosts` (names or IP addresses).

    Raises:
        BadInput: no host, or one that is neither a host name nor an IP address.
    """
    if not hosts:
        raise BadInput("no host for the server certificate; give at least one name or IP address")
    key = ec.generate_private_key(ec.SECP384R1())
    issuer = authority.certificate.subject
    signer = authority.key.public_key()
    builder = _certificate(
        _name("Paceline SuperLink"), issuer, key.public_key(), signer, days, "server"
    ).add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return Certified(key, builder.sign(authority.key, hashes.SHA384()))


def make_node_key() -> tuple[bytes, bytes]:
    """Make one node's (private, public) key as `flower-supernode` and `flwr` read them."""
    key = ec.generate_private_key(ec.SECP384R1())
    private = _private_bytes(key, serialization.PrivateFormat.OpenSSH)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private, public + b"\n"


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    days: int,
    use: _KeyUse,
) -> x509.CertificateBuilder:
    """Fill in what both kinds of certificate have, with the extensions that strict peers ask."""
    now = datetime.now(UTC)
    authority = use == "authority"
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
        .add_extension(_key_usage(use), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )
    if authority:
        return builder
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return builder.add_extension(usage, critical=False)


def _key_usage(use: _KeyUse) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=use == "server",
        key_cert_sign=use == "authority",
        crl_sign=use == "authority",
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _DNS_NAME.fullmatch(host) or len(host) > 253:
        raise BadInput(
            f"--host {host!r} is neither a host name nor an IP address; "
            "give it without a scheme, a port or a path"
        )
    return x509.DNSName(host)


def _private_bytes(key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
