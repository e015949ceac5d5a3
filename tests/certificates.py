"""Certificates for TLS tests, made with the ``openssl`` command in a folder of the test session."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_CA_SETTINGS = """\
[ca]
default_ca = here
[here]
dir = .
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


class Authority:
    """A certificate authority of its own; ``file`` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / "settings").write_text(_CA_SETTINGS)
        (folder / "index.txt").touch()
        self.file = folder / "ca.pem"
        self._openssl(
            *("req", "-x509", *_EC, "-config", "settings", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
            *("-subj", "/CN=Movie Director tests", "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-addext", "subjectKeyIdentifier=hash"),
        )

    def server(self, names: str, *, expired: bool = False, self_signed: bool = False) -> ssl.SSLContext:
        """Return a server's TLS settings; ``names`` as in ``IP:127.0.0.1,DNS:localhost``."""
        name = f"server-{len(list(self._folder.glob('*.csr')))}"
        self._openssl(
            *("req", "-new", *_EC, "-config", "settings", "-keyout", f"{name}.key", "-out", f"{name}.csr"),
            *("-subj", f"/CN={name}"),
        )
        (self._folder / f"{name}.ext").write_text(
            f"subjectAltName = {names}\nbasicConstraints = critical,CA:FALSE\nauthorityKeyIdentifier = keyid\n"
            "subjectKeyIdentifier = hash\nkeyUsage = critical,digitalSignature\n"
        )
        times = ("20200101000000Z", "20200102000000Z") if expired else ("20200101000000Z", "20991231000000Z")
        issuer = ("-selfsign", "-keyfile", f"{name}.key") if self_signed else ("-cert", "ca.pem", "-keyfile", "ca.key")
        self._openssl(
            *("ca", "-batch", "-notext", "-config", "settings", "-in", f"{name}.csr", "-out", f"{name}.pem"),
            *("-startdate", times[0], "-enddate", times[1], "-extfile", f"{name}.ext", *issuer),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        return context

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self._folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}"
