#!/bin/bash
# Measures a transfer between two hosts. The host that has the address of `server` in peers serves, every other one
# sends to it. Results are left beside this script and come back with the download of the archive.
cd "${archive_dir:-$(dirname "$0")}" || exit 1
. ./peers

say() {
    echo "$1"
    if declare -F archive_setstatus >/dev/null; then archive_setstatus "$1"; fi
}

mkdir -p results
ip -brief address >results/addresses.txt

if ip -brief address | grep -qw "$server"; then
    say "serving"
    timeout "$deadline" iperf3 --server --one-off --json >results/server.json
    code=$?
    say "served"
else
    say "waiting for $server"
    end=$((SECONDS + deadline))
    until ping -c 1 -W 1 "$server" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then say "no answer from $server"; exit 1; fi
    done
    ping -c 20 -i 0.2 "$server" >results/ping.txt
    say "sending"
    code=1
    while [ "$SECONDS" -lt "$end" ]; do
        # The other side may not serve yet.
        if iperf3 --client "$server" --time "$seconds" --json >results/client.json; then code=0; break; fi
        sleep 1
    done
    say "sent"
fi
exit "$code"
