"""Write the keys of a deployment: an authority, the server's certificate, one key pair per node.

    DIR/authority/   ca.crt, ca.key                     stays with a person, away from the server
    DIR/server/      ca.crt, server.crt, server.key     goes to the machine of the SuperLink
    DIR/node-0/      ca.crt, node.key, node.key.pub     goes to the device of partition 0

Node keys are unencrypted, because Flower takes them so: the file mode is their only protection.
Private keys are 0600, folders 0700, and nothing is ever overwritten.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clients.certificates import AUTHORITY_DAYS, make_authority, make_node_key, make_server
from federation.errors import BadInput, FolderError

# The SuperLink's own subprocesses reach it over loopback, so these names are always in.
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def write_credentials(
    folder: Path, hosts: Sequence[str] = (), nodes: int = 3, days: int = 365
) -> None:
    """Write all credentials of a deployment into `folder`, laid out as the module says.

    Args:
        folder: new or empty.
        hosts: names and IP addresses of the SuperLink, besides the loopback ones.
        nodes: number of node key pairs, 0 or more.
        days: how long the server certificate is valid.

    Raises:
        BadInput: a bad host, or a number that makes no sense.
        FolderError: the folder holds something already, or cannot be written.
    """
    if nodes < 0:
        raise BadInput(f"--nodes is {nodes}; give 0 or more")
    if not 1 <= days <= AUTHORITY_DAYS:
        raise BadInput(f"--days is {days}; give 1 to {AUTHORITY_DAYS}, the authority's own life")
    authority = make_authority()
    server = make_server(authority, list(dict.fromkeys((*LOOPBACK_HOSTS, *hosts))), days)
    ca_pem = authority.certificate_pem()
    try:
        _private_folder(folder)
        _write(folder / "authority" / "ca.key", authority.key_pem(), secret=True)
        _write(folder / "authority" / "ca.crt", ca_pem)
        _write(folder / "server" / "server.key", server.key_pem(), secret=True)
        _write(folder / "server" / "server.crt", server.certificate_pem())
        _write(folder / "server" / "ca.crt", ca_pem)
        for node in range(nodes):
            private, public = make_node_key()
            _write(folder / f"node-{node}" / "node.key", private, secret=True)
            _write(folder / f"node-{node}" / "node.key.pub", public)
            _write(folder / f"node-{node}" / "ca.crt", ca_pem)
    except OSError as error:
        raise FolderError(
            f"cannot write credentials to {folder}: {error.strerror}; choose a folder you own"
        ) from error


def next_steps(folder: Path, nodes: int, days: int) -> str:
    """Say what to do with the files, in a few lines."""
    lines = [
        f"Credentials are in {folder}.",
        f"  {folder}/authority  move it elsewhere: with ca.key anyone can pose as the server",
        f"  {folder}/server     for the machine of the SuperLink; valid for {days} days",
    ]
    if nodes:
        lines += [
            f"  {folder}/node-I     one for each device, on no other machine",
            "Then register each node's public key with the running SuperLink:",
            f"  flwr supernode register {folder}/node-0/node.key.pub SUPERLINK",
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when the files are written, 2 for bad input."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        write_credentials(given.folder, given.hosts, given.nodes, given.days)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(next_steps(given.folder, given.nodes, given.days))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m clients.credentials",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder")
    parser.add_argument(
        "--host",
        dest="hosts",
        metavar="NAME_OR_IP",
        nargs="+",
        action="extend",
        default=[],
        help="where devices reach the SuperLink; loopback is always in",
    )
    parser.add_argument("--nodes", type=int, default=3, help="node key pairs (default 3)")
    parser.add_argument(
        "--days", type=int, default=365, help="life of the server certificate (default 365)"
    )
    return parser


def _private_folder(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise FolderError(f"{folder} is not empty; keys are never overwritten, give a new folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _write(path: Path, content: bytes, secret: bool = False) -> None:
    """Write a new file; the mode is set at creation, so that no one can read it in between."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with os.fdopen(os.open(path, flags, 0o600 if secret else 0o644), "wb") as file:
        file.write(content)


if __name__ == "__main__":
    sys.exit(main())
