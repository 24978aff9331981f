#!/bin/sh
# Packs the orders that are new, one after the other, for ever.
trap 'exit 0' TERM INT
ask() { timeout 5 wget -q -O - --header "X-Token: $(cat /run/secrets/store_token)" "$@"; }

while :; do
    if new=$(ask "$STORE_URL/cgi-bin/orders?new"); then
        for number in $new; do
            ask --post-data= "$STORE_URL/cgi-bin/orders?packed=$number" >/dev/null && echo "packed order $number"
        done
        : >/run/worker/round
    else
        echo "the store does not answer; trying again" >&2
    fi
    sleep "$EVERY_S" &
    wait $!
done
