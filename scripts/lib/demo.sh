# shellcheck shell=bash
# The demo: its repositories under ./demo, its controller, and their end; sourced from the project's root after
# common.sh and engine.sh.

DEMO=demo
STATE=$DEMO/state
TRIMTAB=.venv/bin/trimtab
# Its own id: another Trimtab on this engine is neither looked at nor locked out.
INSTALLATION=demo
CONTROLLER=("$TRIMTAB" run --repo "$DEMO/shop.git" --branch main --data-dir "$STATE" --installation "$INSTALLATION")

# demo_git ARGUMENT...: git without the settings (hooks, signing, templates) that a machine may have for other work.
demo_git() { git -c core.hooksPath=/dev/null -c commit.gpgSign=false -c init.templateDir= "$@"; }

# demo_author: the options that give a commit an author, where the user has told git of none.
demo_author() {
    git config user.email >/dev/null ||
        printf '%s\n' -c user.name=Demo -c user.email=demo@example.org
}

# commit_demo CLONE MESSAGE: commit all that changed there.
commit_demo() {
    local author
    mapfile -t author < <(demo_author)
    demo_git -C "$1" add --all
    demo_git "${author[@]}" -C "$1" commit --quiet --message "$2"
}

# demo_port: where the demo publishes its page, by what is in Git.
demo_port() { git -C "$DEMO/shop.git" show main:.env | sed -n 's/^SHOP_PORT=//p'; }

shop_address() { printf 'http://127.0.0.1:%s/\n' "$(demo_port)"; }

# free_port: the first port from 8080 on that nobody listens on here.
free_port() {
    .venv/bin/python - <<'EOF'
import socket

for port in range(8080, 8180):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
EOF
}

# make_demo PORT: both repositories from examples/shop, moved into their place when whole.
make_demo() {
    local new=$DEMO/.new
    rm -rf "$new"
    mkdir -p "$new"
    demo_git init --quiet --bare --initial-branch=main "$new/shop.git"
    demo_git init --quiet --initial-branch=main "$new/shop"
    cp -R examples/shop/. "$new/shop/"
    sed -i "s/^SHOP_PORT=.*/SHOP_PORT=$1/" "$new/shop/.env"
    commit_demo "$new/shop" "The shop"
    demo_git -C "$new/shop" push --quiet "$PWD/$new/shop.git" main
    mv "$new/shop.git" "$DEMO/shop.git"
    rm -rf "$new"
    say "made the demo's Git repository demo/shop.git from examples/shop"
}

# ensure_demo PORT-OR-NOTHING: the demo's repository and clone, made if they are not there; its port, if one is given.
ensure_demo() {
    mkdir -p "$DEMO"
    local port=$1
    if [ ! -d "$DEMO/shop.git" ]; then
        if [ -d "$DEMO/shop" ]; then die "demo/shop is there without its repository demo/shop.git; move it away"; fi
        [ -n "$port" ] || port=$(free_port)
        [ "$port" = 8080 ] || say "the shop's page will be on port $port"
        make_demo "$port"
    fi
    if [ ! -d "$DEMO/shop" ]; then
        rm -rf "$DEMO/.new"
        demo_git clone --quiet "$PWD/$DEMO/shop.git" "$DEMO/.new"
        if [ -n "$(demo_author)" ]; then
            git -C "$DEMO/.new" config user.name Demo
            git -C "$DEMO/.new" config user.email demo@example.org
        fi
        mv "$DEMO/.new" "$DEMO/shop"
        say "made your clone of it: demo/shop"
    fi
    # The checkout may have been moved since.
    git -C "$DEMO/shop" remote set-url origin "$PWD/$DEMO/shop.git"
    if [ -n "$port" ] && [ "$port" != "$(demo_port)" ]; then move_demo "$port"; fi
}

# move_demo PORT: another port for the page, by a commit, as everything else.
move_demo() {
    [ -z "$(git -C "$DEMO/shop" status --porcelain)" ] ||
        die "demo/shop has changes of yours: commit them, then set SHOP_PORT=$1 in demo/shop/.env, commit and push"
    sed -i "s/^SHOP_PORT=.*/SHOP_PORT=$1/" "$DEMO/shop/.env"
    commit_demo "$DEMO/shop" "The page is on port $1"
    demo_git -C "$DEMO/shop" push --quiet origin HEAD:main ||
        die "the new port is committed in demo/shop but could not be pushed to demo/shop.git"
}

# controller_pid: the process of the demo's controller, if it runs; a stale file or a reused number is none.
controller_pid() {
    local pid
    pid=$(cat "$DEMO/controller.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] && [ "$(readlink "/proc/$pid/cwd")" = "$PWD" ] &&
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "trimtab run --repo $DEMO/shop.git" && printf '%s\n' "$pid"
}

# end_process PID: asked politely, then not.
end_process() {
    local deadline=$((SECONDS + 45))
    kill -TERM "$1" 2>/dev/null || return 0
    while kill -0 "$1" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            kill -KILL "$1" 2>/dev/null || true
            return
        fi
        sleep 0.1
    done
}

stop_controller() {
    local pid
    if pid=$(controller_pid); then
        say "stopping the demo's controller, process $pid"
        end_process "$pid"
    fi
    rm -f "$DEMO/controller.pid"
}

# wait_until_healthy SECONDS PID SINCE: until every application of the demo is Synced and Healthy, by a look that is not
# older than SINCE (seconds since 1970), or PID is gone.
wait_until_healthy() {
    local deadline=$((SECONDS + $1)) reason="the controller has said nothing yet"
    say "waiting until the shop is Synced and Healthy (at most $1 s)"
    until reason=$("$TRIMTAB" status -o json --data-dir "$STATE" 2>&1 |
        .venv/bin/python scripts/lib/demo.py settled "$3" shop); do
        if ! kill -0 "$2" 2>/dev/null; then
            printf '%s\n' "error: the controller ended by itself: $reason" >&2
            return 1
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            printf '%s\n' "error: after $1 s: $reason" >&2
            return 1
        fi
        sleep 0.5
    done
    say "$reason; the shop: $(shop_address)"
}

# check_demo SECONDS: run the controller until all is well, then stop it; what it said is shown if it is not.
check_demo() {
    local status=0 since
    since=$(date +%s)
    "${CONTROLLER[@]}" >"$DEMO/controller.log" 2>&1 </dev/null &
    local pid=$!
    printf '%s\n' "$pid" >"$DEMO/controller.pid"
    # shellcheck disable=SC2064 # this process, not one of a later time
    trap "end_process $pid; rm -f $DEMO/controller.pid" EXIT
    wait_until_healthy "$1" "$pid" "$since" || status=$?
    if [ "$status" -ne 0 ]; then
        printf '%s\n' "the controller's last lines (all of them in $DEMO/controller.log):" >&2
        tail -n 15 "$DEMO/controller.log" >&2
    fi
    return "$status"
}

# remove_demo [--volumes]: all that the demo made on the engine and here; .venv, the engine and the base image are shared
# with the tests and stay.
remove_demo() {
    local kept=""
    # To remove things, an engine that runs no more is started again; none is installed for it.
    if [ -n "${DOCKER_HOST:-}" ] || [ -S "$SYSTEM_SOCKET" ] || command -v dockerd >/dev/null; then
        ensure_engine
        # shellcheck disable=SC2086 # one word or none
        kept=$(.venv/bin/python scripts/lib/demo.py down "$INSTALLATION" $1) ||
            die "the demo could not be removed: ${kept:-no reason given}"
    fi
    rm -rf "$DEMO/shop" "$DEMO/shop.git" "$DEMO/.new" "$DEMO/controller.log" "$STATE"
    if [ -n "$kept" ]; then
        say "kept: volume ${kept//$'\n'/, volume } (scripts/up --down --volumes removes it; the next scripts/up uses it again)"
    fi
    rmdir "$DEMO" 2>/dev/null || true
    say "the demo is gone; .venv, the Docker engine and the base image stay"
}
