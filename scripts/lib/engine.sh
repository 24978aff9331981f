# shellcheck shell=bash
# A Docker engine and the base image of the demo and the tests; sourced from the project's root after common.sh and
# venv.sh (the questions to the engine are asked by engine.py in .venv).

SYSTEM_SOCKET=/var/run/docker.sock
ENGINE_LOG=/var/log/dockerd.log
# shellcheck disable=SC2034 # read by the scripts that source this; the tag that examples and tests are pinned to
BASE_IMAGE=busybox:1.36

# engine_answers [HOST]: does an engine answer there; if not, the reason is printed.
engine_answers() { .venv/bin/python scripts/lib/engine.py ping ${1:+"$1"}; }

# process_is PIDFILE NAME: does the process that the file names run, and is it what we think it is? A killed engine
# leaves its files behind, and a number that is used again by another program is no engine.
process_is() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]
}

# sweep_leftovers: take away what a killed engine left, if nothing alive stands behind it.
sweep_leftovers() {
    local run=/var/run/docker file
    process_is /var/run/docker.pid dockerd && return
    if [ -e /var/run/docker.pid ]; then
        say "removing the stale /var/run/docker.pid of an engine that was killed"
        rm -f /var/run/docker.pid
    fi
    # dockerd takes over a containerd that outlived it, but waits in vain for one that only seems to.
    process_is "$run/containerd/containerd.pid" containerd && return
    for file in "$run"/containerd/{containerd.pid,containerd.sock,containerd.sock.ttrpc,containerd-debug.sock}; do
        [ ! -e "$file" ] || rm -f "$file"
    done
}

# wait_for_engine SECONDS [PID]: until the system's engine answers, or PID (the one being started) is gone.
wait_for_engine() {
    local deadline=$((SECONDS + $1))
    until engine_answers "unix://$SYSTEM_SOCKET" >/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        [ -z "${2:-}" ] || kill -0 "$2" 2>/dev/null || return 1
        sleep 0.3
    done
}

# start_engine: start the installed engine, by systemd where there is one, else detached and on its own.
start_engine() {
    if process_is /var/run/docker.pid dockerd && wait_for_engine 60; then return; fi
    if [ -d /run/systemd/system ]; then
        say "starting the Docker engine (systemctl start docker)"
        if systemctl start docker && wait_for_engine 60; then return; fi
        die "the Docker engine did not start; see: journalctl -u docker -n 30"
    fi
    sweep_leftovers
    say "starting the Docker engine (dockerd, detached; its log is $ENGINE_LOG)"
    # It outlives this script and must hold none of its files: not the terminal, not a pipe, not a lock.
    setsid dockerd >"$ENGINE_LOG" 2>&1 </dev/null 8>&- 9>&- &
    local pid=$!
    if ! wait_for_engine 60 "$pid"; then
        tail -n 8 "$ENGINE_LOG" >&2
        die "the Docker engine did not start; its last words are above, all of them in $ENGINE_LOG." \
            "(A container needs to be privileged to run one; else set DOCKER_HOST to an engine elsewhere.)"
    fi
    say "the Docker engine runs as process $(cat /var/run/docker.pid); it stays after this script (kill that process to stop it)"
}

# install_engine: Debian's docker.io, where that is allowed; false where it is not.
install_engine() {
    command -v dockerd >/dev/null || apt_install "there is no Docker engine here" docker.io
}

# ensure_engine: an engine that answers, at DOCKER_HOST or the local socket, installed and started if need be and allowed.
ensure_engine() {
    local reason rootless
    if [ -n "${DOCKER_HOST:-}" ]; then
        reason=$(engine_answers) || die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST: $reason." \
            "Start it, or unset DOCKER_HOST to use the local one."
        say "using the Docker engine at DOCKER_HOST=$DOCKER_HOST"
        return
    fi
    if reason=$(engine_answers "unix://$SYSTEM_SOCKET"); then return; fi
    rootless=${XDG_RUNTIME_DIR:-/nonexistent}/docker.sock
    if [ -S "$rootless" ] && engine_answers "unix://$rootless" >/dev/null; then
        export DOCKER_HOST=unix://$rootless
        say "using your rootless Docker engine at $rootless"
        return
    fi
    if ! is_root; then
        if [ -S "$SYSTEM_SOCKET" ] && [ ! -w "$SYSTEM_SOCKET" ]; then
            die "you may not use the Docker engine at $SYSTEM_SOCKET. Join its group and log in again:" \
                "sudo usermod -aG docker $(id -un)"
        fi
        die "no Docker engine answers at $SYSTEM_SOCKET, and only root may install or start one." \
            "Install and start Docker (Debian and Ubuntu: sudo apt install docker.io), add yourself to the group" \
            "(sudo usermod -aG docker $(id -un), then log in again), or set DOCKER_HOST to an engine elsewhere."
    fi
    # One script starts the engine, another that comes at the same time waits and finds it running.
    exec 9>/var/run/trimtab-engine.lock
    flock 9
    if ! reason=$(engine_answers "unix://$SYSTEM_SOCKET"); then
        install_engine || die "there is no Docker engine and it could not be installed here ($reason)." \
            "Install Docker and start it, or set DOCKER_HOST to an engine elsewhere, and run this again."
        start_engine
    fi
    exec 9>&-
}

# static_busybox_in ROOT: print the path of the statically linked busybox that is installed there, if one is.
static_busybox_in() {
    local candidate
    for candidate in "$1/bin/busybox" "$1/usr/bin/busybox"; do
        if .venv/bin/python scripts/lib/engine.py is-static "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# find_static_busybox DIRECTORY: print the path of a statically linked busybox, fetched into DIRECTORY if need be.
find_static_busybox() {
    static_busybox_in "" && return
    # Unpacked, not installed: the package would push out a `busybox` that the system may need.
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    (
        cd "$1"
        apt-get download busybox-static || { is_root && apt-get update && apt-get download busybox-static; }
    ) >/dev/null 2>&1 </dev/null || return 1
    dpkg-deb -x "$1"/busybox-static_*.deb "$1/unpacked" || return 1
    static_busybox_in "$1/unpacked"
}

# ensure_base_image: $BASE_IMAGE on the engine: there already, else pulled, else built from Debian's busybox-static.
ensure_base_image() {
    .venv/bin/python scripts/lib/engine.py has-image "$BASE_IMAGE" && return
    say "pulling the base image $BASE_IMAGE"
    # An unreachable registry may hang rather than refuse.
    if timeout 90 .venv/bin/python scripts/lib/engine.py pull "$BASE_IMAGE" >/dev/null; then return; fi
    say "no registry to pull it from: building $BASE_IMAGE FROM scratch with Debian's busybox-static"
    local work busybox
    work=$(mktemp -d)
    # apt downloads as its own user where it can; nothing secret lies here.
    chmod 755 "$work"
    if ! busybox=$(find_static_busybox "$work"); then
        rm -rf "$work"
        die "the base image $BASE_IMAGE is not on the engine, cannot be pulled, and no statically linked busybox was" \
            "found to build it from. Load it (docker load), or on Debian and Ubuntu: sudo apt install busybox-static"
    fi
    if ! .venv/bin/python scripts/lib/engine.py build-base "$BASE_IMAGE" "$busybox"; then
        rm -rf "$work"
        die "the base image $BASE_IMAGE could not be built, see above"
    fi
    rm -rf "$work"
}
