# shellcheck shell=bash
# How the scripts talk and stop; sourced by all of them.

say() { printf '%s\n' "== $*"; }

# die MESSAGE...: one clear message on standard error, then the end with status 1.
die() {
    printf '%s\n' "error: $*" >&2
    exit 1
}

# usage FILE: the comment at a script's top is its help text.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# apt_install REASON PACKAGE...: install Debian packages, saying so; fails quietly where that is not allowed.
apt_install() {
    local reason=$1 && shift
    is_root && command -v apt-get >/dev/null || return 1
    say "$reason: installing $* with apt-get"
    local log
    log=$(mktemp)
    # Locks of another apt (a fresh machine upgrades itself on its first boot) are waited for.
    if {
        apt-get -o DPkg::Lock::Timeout=300 update &&
            DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
    } >"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        tail -n 15 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# need_command COMMAND PACKAGE: make sure that a command is there.
need_command() {
    command -v "$1" >/dev/null && return
    apt_install "$1 is missing" "$2" ||
        die "'$1' is needed and not installed. Install it (Debian and Ubuntu: apt install $2) and run this again."
}
