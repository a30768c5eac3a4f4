"""The keys of a deployment: private, complete, never overwritten, and accepted by TLS."""

import ssl
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clients.credentials import main, write_credentials

HOST = "superlink.example.org"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("credentials") / "site"
    write_credentials(folder, hosts=[HOST, "192.0.2.7"], nodes=2)
    return folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def handshake(server_folder, authority, host):
    """Complete a TLS handshake in memory; raises ssl.SSLError where the client has doubts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_folder / "server.crt", server_folder / "server.key")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(up, down, server_side=True)
    strict = ssl.create_default_context(cafile=str(authority))
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    client = strict.wrap_bio(down, up, server_hostname=host)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_each_machine_has_its_own_folder(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    nodes = {
        f"node-{n}/{name}" for n in range(2) for name in ("ca.crt", "node.key", "node.key.pub")
    }
    server = {"server/ca.crt", "server/server.crt", "server/server.key"}
    assert files == nodes | server | {"authority/ca.crt", "authority/ca.key"}


def test_only_the_owner_reads_keys_and_enters_folders(folder):
    assert {mode(path) for path in folder.rglob("*.key")} == {0o600}
    assert {mode(path) for path in (folder, *folder.glob("*/"))} == {0o700}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", HOST, "192.0.2.7"])
def test_tls_accepts_the_server_under_each_of_its_names(folder, host):
    handshake(folder / "server", folder / "node-0" / "ca.crt", host)


def test_tls_refuses_another_name(folder):
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(folder / "server", folder / "node-0" / "ca.crt", "elsewhere.example.org")


def test_tls_refuses_another_authority(folder, tmp_path):
    write_credentials(tmp_path / "other", nodes=0)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(folder / "server", tmp_path / "other" / "authority" / "ca.crt", HOST)


def test_node_keys_are_different_pairs_on_a_nist_curve(folder):
    public = []
    for node in (folder / "node-0", folder / "node-1"):
        key = serialization.load_ssh_private_key((node / "node.key").read_bytes(), None)
        assert isinstance(key.curve, ec.SECP384R1)
        public.append(serialization.load_ssh_public_key((node / "node.key.pub").read_bytes()))
        assert key.public_key() == public[-1]
    assert public[0] != public[1]


def test_nothing_is_overwritten(folder, capsys):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main([str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "option",
    [
        ("--host", "https://example.org"),
        ("--host", "example.org:8000"),
        ("--host", ""),
        ("--nodes", "-1"),
        ("--days", "0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(tmp_path, capsys, option):
    assert main([str(tmp_path / "site"), *option]) == 2
    message = capsys.readouterr().err
    assert option[0] in message
    assert message.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_it_says_what_to_do_next(tmp_path, capsys):
    assert main([str(tmp_path / "site"), "--nodes", "1"]) == 0
    said = capsys.readouterr().out
    assert f"flwr supernode register {tmp_path / 'site'}/node-0/node.key.pub" in said
    assert "ca.key" in said
