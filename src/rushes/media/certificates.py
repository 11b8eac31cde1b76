"""A certificate to try content credentials with: a root of our own, and a signing certificate under it as C2PA's rules
want one. Nobody trusts the root, and every reader says so; to be believed, buy a certificate."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import NamedTuple

from rushes.core.errors import SetupError

DAYS = 90
SIGNS_CLAIMS = "1.3.6.1.4.1.62558.2.1"
"""The extended key usage of certificates that sign C2PA claims."""


class TrialCertificate(NamedTuple):
    """`chain` and `key` are what the settings c2pa_cert and c2pa_key want; `root` is what a reader must trust."""

    chain: Path
    key: Path
    root: Path


def make_test_certificate(folder: Path) -> TrialCertificate:
    """Write a chain, its key (0600) and its root into `folder`, made when missing; valid for 90 days with es256.
    Raises `SetupError` when a file is there already, or the extra is not installed."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
    except ImportError as error:
        raise SetupError(
            f"making a certificate needs the library cryptography: {error}",
            advice="Run: pip install 'rushes[c2pa]'",
        ) from error

    def name(common: str) -> x509.Name:
        parts = {NameOID.ORGANIZATION_NAME: "Rushes test certificate", NameOID.COMMON_NAME: common}
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts.items()])

    def usage(*, signs_certificates: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not signs_certificates,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=signs_certificates,
            crl_sign=signs_certificates,
            encipher_only=False,
            decipher_only=False,
        )

    def certificate(
        subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, by: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        root = subject == issuer
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=DAYS))
            .add_extension(x509.BasicConstraints(ca=root, path_length=0 if root else None), critical=True)
            .add_extension(usage(signs_certificates=root), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
            )
        )
        if not root:
            purposes = [ExtendedKeyUsageOID.EMAIL_PROTECTION, ObjectIdentifier(SIGNS_CLAIMS)]
            made = made.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return made.sign(by, hashes.SHA256())

    now = datetime.datetime.now(datetime.UTC)
    root_key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate(name("Rushes test root"), root_key, name("Rushes test root"), root_key)
    own = certificate(name("Rushes test signer"), own_key, name("Rushes test root"), root_key)
    made = TrialCertificate(folder / "chain.pem", folder / "key.pem", folder / "root.pem")
    pem = Encoding.PEM
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(made.key, own_key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        _write(made.chain, own.public_bytes(pem) + root.public_bytes(pem), 0o644)
        _write(made.root, root.public_bytes(pem), 0o644)
    except OSError as error:
        raise SetupError(
            f"the test certificate cannot be written to {folder}: {error.strerror}",
            advice="Choose an empty folder that you may write to.",
        ) from error
    return made


def _write(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
