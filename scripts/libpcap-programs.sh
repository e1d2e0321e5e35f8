#!/bin/sh
# Writes what libpcap makes of each filter expression read from standard input: the expression, a tab, and its program
# (code,jt,jf,k of each instruction) or, if it is refused, "refused". Not optimized: that only changes how frames that
# are too short for the filter are judged. Needs tcpdump. How the data of the filter's tests is made anew:
#   f=crates/tomato-filter/src/tests/libpcap.tsv; cut -f1 $f | scripts/libpcap-programs.sh > new.tsv && mv new.tsv $f
set -eu
empty=$(mktemp)
trap 'rm -f "$empty"' EXIT
printf '\324\303\262\241\002\000\004\000\000\000\000\000\000\000\000\000\000\000\004\000\001\000\000\000' > "$empty"
while IFS= read -r expression; do
    if program=$(tcpdump -r "$empty" -O -ddd -- "$expression" 2>/dev/null); then
        printf '%s\t%s\n' "$expression" "$(printf '%s\n' "$program" | tail -n +2 | tr ' ' ',' | paste -sd ' ')"
    else
        printf '%s\trefused\n' "$expression"
    fi
done
