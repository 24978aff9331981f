"""A checkout whose Dockerfile builds without any registry, index or mirror: for the tests of the controller's image.

The base image has this machine's Python, git, ssh and tini on top of the tests' base image; the packages are those of
the environment in which the tests run, packed into wheels again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import docker

from tests.support.engine import BASE_IMAGE

ROOT = Path(__file__).resolve().parents[2]
# What of the checkout the Dockerfile reads; requirements/ is made.
_READ = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE")
_LOCKED = re.compile(r"^([A-Za-z0-9_.-]+)==", re.MULTILINE)
_LIBRARY = re.compile(r"(/\S+) \(0x")
# Of the standard library, what no controller needs.
_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "site-packages", "dist-packages"}
)
_ENDS_LEFT_OUT = (".opt-1.pyc", ".opt-2.pyc", ".a", ".exe")
_MODULES_LEFT_OUT = ("_tkinter", "_test", "_ctypes_test", "xx", "_codecs_")
_BASE = f"""\
FROM {BASE_IMAGE}
COPY root /
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""


def why_none() -> str | None:
    """None where the base can be made of what is installed here, else the reason."""
    missing = [name for name in ("git", "ssh", "ldd") if shutil.which(name) is None]
    if _tini() is None:
        missing.append("tini")
    return f"not installed: {', '.join(missing)}" if missing else None


def build_base(api: docker.APIClient, tag: str) -> None:
    """An image with this machine's Python and the programs that the controller runs."""
    for said in api.build(fileobj=_base_context(), custom_context=True, tag=tag, decode=True, rm=True):
        assert "error" not in said, said["error"]


def write_checkout(folder: Path) -> None:
    """What the Dockerfile needs of this checkout, and wheels beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _READ:
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "controller", folder / "controller", ignore=shutil.ignore_patterns("__pycache__"))
    wheels = folder / "requirements" / "wheels"
    wheels.mkdir(parents=True)
    for lock in ("run.txt", "build.txt"):
        names = _LOCKED.findall((ROOT / "requirements" / lock).read_text(encoding="utf-8"))
        lines = [_pack(found, wheels) for name in names if (found := _installed(name)) is not None]
        (folder / "requirements" / lock).write_text("".join(lines), encoding="utf-8")


def _installed(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        # The lock is for all platforms: another one's.
        return None


def _pack(distribution: importlib.metadata.Distribution, wheels: Path) -> str:
    """A wheel of what is installed, and the line of a lock file that asks for just that."""
    tags = re.findall(r"^Tag: (\S+)", distribution.read_text("WHEEL") or "", re.MULTILINE)
    assert tags, f"{distribution.name} was not installed from a wheel"
    version = distribution.version
    file = wheels / f"{re.sub(r'[-_.]+', '_', distribution.name)}-{version}-{max(tags)}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path in distribution.files or ():
            # Commands are made anew from the entry points.
            if ".." not in path.parts and path.suffix != ".pyc":
                archive.write(str(path.locate()), str(path))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{distribution.name}=={version} --hash=sha256:{digest}\n"


def _base_context() -> io.BytesIO:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", dereference=True) as context:
        told = tarfile.TarInfo("Dockerfile")
        told.size = len(_BASE)
        context.addfile(told, io.BytesIO(_BASE.encode()))
        for source, target in _base_files():
            context.add(source, f"root{target}", recursive=False)
        for name, target in (("python3", sys.executable), ("tini", str(_tini()))):
            link = tarfile.TarInfo(f"root/usr/local/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, str(Path(target).resolve())
            context.addfile(link)
    written.seek(0)
    return written


def _base_files() -> Iterator[tuple[Path, str]]:
    """Files of this machine and where they go: to where they are here, so that they find each other."""
    python, tini = Path(sys.executable).resolve(), Path(str(_tini())).resolve()
    programs = [python, tini, *(Path(str(shutil.which(name))).resolve() for name in ("git", "ssh"))]
    core = Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip())
    # Most of its files are links to git itself; what fetches over https is of its own.
    helpers = [path for path in (core / "git-remote-http", core / "git-remote-https") if path.exists()]
    standard = list(_standard_library())
    modules = [path for path in (*standard, *_extensions()) if path.suffix == ".so"]
    found = {path: str(path) for path in (*programs, *helpers, *standard)}
    found.update({library: str(library) for library in _libraries([*programs, *helpers, *modules])})
    for name in ("git", "ssh"):
        # Where the search path finds it.
        found[Path(str(shutil.which(name)))] = f"/usr/bin/{name}"
    yield from found.items()
    yield from _pip()


def _standard_library() -> Iterator[Path]:
    for place in {Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platstdlib"))}:
        for path in place.rglob("*"):
            inside = path.relative_to(place).parts
            unwanted = _LEFT_OUT.intersection(inside) or inside[0].startswith("config-")
            unwanted = unwanted or (path.suffix == ".so" and path.name.startswith(_MODULES_LEFT_OUT))
            if not unwanted and path.is_file() and not path.name.endswith(_ENDS_LEFT_OUT):
                yield path


def _extensions() -> Iterator[Path]:
    """The packages' compiled parts, which may need more libraries than Python's own."""
    for name in _LOCKED.findall((ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")):
        if (found := _installed(name)) is not None:
            yield from (Path(str(path.locate())) for path in found.files or () if path.suffix == ".so")


def _pip() -> Iterator[tuple[Path, str]]:
    """Pip, where every environment of that Python would look for it."""
    asked = [Path(sys.executable).resolve(), "-c", "import site; print(site.getsitepackages()[0])"]
    place = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    for path in importlib.metadata.distribution("pip").files or ():
        if ".." not in path.parts and path.suffix != ".pyc":
            yield Path(str(path.locate())), f"{place}/{path}"


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that any of them needs, and the loader; a static program needs none."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    return {Path(name) for name in _LIBRARY.findall(said.stdout)}


def _tini() -> str | None:
    # The engine brings one, which is static.
    return shutil.which("docker-init") or shutil.which("tini-static") or shutil.which("tini")
