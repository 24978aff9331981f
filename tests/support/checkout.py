"""A fresh checkout of this project, as a clone would be, whose .venv borrows the packages of this one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = """\
#!{python}
import sys

from trimtab.cli.main import main

sys.exit(main())
"""


def fresh_checkout(folder: Path) -> Path:
    """The files that Git knows, as they are now, in ``folder``: uncommitted changes are tested, too."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def borrow_packages(checkout: Path) -> None:
    """Give it a .venv that scripts/lib/venv.sh takes for installed: its own code, this one's packages, no download."""
    venv = checkout / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    # The checkout's own code first: the borrowed packages hold a pointer to the original's.
    borrowed = sysconfig.get_path("purelib")
    lines = (str(checkout / "controller"), f"import site; site.addsitedir({borrowed!r})")
    (packages / "borrowed.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    launcher = venv / "bin" / "trimtab"
    launcher.write_text(LAUNCHER.format(python=python), encoding="utf-8")
    launcher.chmod(0o755)
    state = subprocess.run(
        ["bash", "-c", ". scripts/lib/venv.sh && lock_state run"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (venv / ".trimtab-run").write_text(f"{state}\n", encoding="utf-8")
