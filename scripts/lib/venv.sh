# shellcheck shell=bash
# The virtual environment .venv, from the lock files; sourced from the project's root after common.sh.

# find_python: print a Python that is new enough, or stop with what to do.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed. Install it (Debian 12, Ubuntu 24.04 and newer: apt install python3" \
        "python3-venv), or name one: PYTHON=/path/to/python3 $0"
}

# make_venv: an empty .venv, where there is none that works.
make_venv() {
    .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    local python
    if ! command -v python3 >/dev/null && [ -z "${PYTHON:-}" ]; then need_command python3 python3; fi
    python=$(find_python)
    # Debian ships venv without ensurepip; the package that has it is named after the minor version, or python3-venv.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        local package
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        apt_install "$python cannot make virtual environments yet" "$package" ||
            die "$python cannot make virtual environments (no ensurepip). On Debian and Ubuntu: apt install $package"
    fi
    say "making .venv with $("$python" --version)"
    # Only what this script made is replaced: a .venv that no longer runs (moved, or its Python is gone).
    rm -rf .venv
    "$python" -m venv .venv
}

# pip_install ARGUMENT...: quiet unless it fails; modules are compiled when first used, which most never are.
pip_install() {
    local log
    log=$(mktemp)
    if ! .venv/bin/python -m pip install --disable-pip-version-check --no-compile "$@" >"$log" 2>&1 </dev/null; then
        grep -v '^WARNING: Location' "$log" | tail -n 25 >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# compile_used: what the commands import, for machines where Python keeps no compiled modules (PYTHONDONTWRITEBYTECODE):
# without this, every command would compile them again, which takes longer than what it does.
compile_used() {
    env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -c 'import trimtab.cli.apply, trimtab.cli.main, trimtab.cli.passes
import trimtab.cli.session, trimtab.backends.engine.driver, trimtab.web.server, trimtab.wiring.controller, docker'
}

# lock_state run|test: a digest of all that decides what ensure_venv installs.
lock_state() { cat "requirements/$1.txt" requirements/build.txt pyproject.toml | sha256sum | cut -d' ' -f1; }

# is_installed run|test: does .venv have just that.
is_installed() { [ "$(cat ".venv/.trimtab-$1" 2>/dev/null)" = "$(lock_state "$1")" ]; }

# ensure_venv run|test: .venv with the locked packages of requirements/NAME.txt and this project, editable.
# Installs again only when the lock or pyproject.toml changed; what `test` installs contains `run`.
ensure_venv() {
    local lock=requirements/$1.txt
    # Two scripts at once (up in one terminal, test in another) must not install over each other.
    exec 8>.venv.lock
    flock 8
    make_venv
    if ! is_installed "$1" && ! is_installed test; then
        say "installing the packages of $lock into .venv"
        rm -f .venv/.trimtab-*
        pip_install --require-hashes --no-deps --requirement "$lock" --requirement requirements/build.txt ||
            die "the packages of $lock could not be installed, see above"
        # The build backend is in the lock too: without isolation pip fetches nothing that has no hash.
        pip_install --no-deps --no-build-isolation --editable . ||
            die "the project itself could not be installed, see above"
        compile_used
        lock_state "$1" >".venv/.trimtab-$1"
    fi
    exec 8>&-
}
