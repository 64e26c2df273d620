#!/bin/bash
# Records what the real `serf` says to itself and to its RPC clients, for the golden tests. Not run by any test.
#
#   captures/capture.sh plain
#   captures/capture.sh encrypted -encrypt=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=
#
# writes plain.txt and so on: a line `datagram HEX`, `request HEX`, `reply HEX` (the two directions of a stream of
# members), `rpc-request HEX`, `rpc-reply HEX` (of a client) for each. Needs serf, tshark and the right to record `lo`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
net=127.201.7
work=$(mktemp -d)

tshark -q -i lo -f "net $net.0/24" -w "$work/all.pcapng" 2>"$work/tshark.log" &
recorder=$!
until grep -qi capturing "$work/tshark.log"; do sleep 0.1; done
sleep 0.5

agent() { # NAME LAST-BYTE ARGUMENTS…
    local name=$1 at=$2
    shift 2
    serf agent -node="$name" -bind="$net.$at:7946" -rpc-addr="$net.$at:7373" -profile=local "$@" \
        >"$work/$name-$at.log" 2>&1 &
}
rpc() { # LAST-BYTE VERB ARGUMENTS…
    local at=$1 verb=$2
    shift 2
    serf "$verb" -rpc-addr="$net.$at:7373" "$@" || true
}

agent n1 1 -tag role=web -tag nr=1 "$@"
sleep 1
# It answers queries called `ask`, so that there are answers.
agent n2 2 -tag role=web -tag nr=2 -join="$net.1:7946" -event-handler='query:ask=echo an answer' "$@"
sleep 1
agent n3 3 -tag role=web -tag nr=3 -join="$net.1:7946" "$@"
failing=$!
sleep 2
serf monitor -rpc-addr="$net.1:7373" -log-level=debug >"$work/monitor.log" 2>&1 &
monitor=$!
sleep 0.5
rpc 1 members
rpc 1 members -status=alive -tag role=web
rpc 1 event -coalesce=true deploy payload-1
rpc 2 event -coalesce=false deploy2 "$(printf 'x%.0s' {1..300})"
rpc 1 query -timeout=1s ask hello
rpc 1 query -timeout=1s -node=n2 -node=n3 -tag role=w.b -relay-factor=1 ask hello
rpc 2 tags -set color=red -delete nr
rpc 1 keys -list
if [[ "$*" == *-encrypt=* ]]; then
    rpc 1 keys -install MTIzNDU2Nzg5MDEyMzQ1Ng==
    rpc 1 keys -use MTIzNDU2Nzg5MDEyMzQ1Ng==
    rpc 1 keys -list
fi
rpc 1 rtt n1 n2
rpc 1 info
rpc 1 reachability
rpc 2 join "$net.1:7946"
sleep 1
kill -9 $failing
sleep 6
rpc 1 force-leave n3
# Another member with a name that is taken: the ring votes.
agent n2 9 -tag role=twin -join="$net.1:7946" "$@"
twin=$!
sleep 3
kill $twin 2>/dev/null || true
rpc 2 leave
sleep 1
kill $monitor
rpc 1 leave
sleep 1
kill $recorder
wait

streams() { # PORT REQUEST REPLY
    tshark -r "$work/all.pcapng" -Y "tcp.len > 0 && tcp.port == $1" \
        -T fields -e tcp.stream -e tcp.srcport -e tcp.payload |
        awk -v port="$1" -v request="$2" -v reply="$3" '
            { key = $1 " " ($2 == port ? reply : request); if (!(key in all)) order[++n] = key; all[key] = all[key] $3 }
            END { for (i = 1; i <= n; i++) { split(order[i], part, " "); print part[2], all[order[i]] } }'
}
{
    echo "# $(serf version | head -1) $*"
    tshark -r "$work/all.pcapng" -Y "udp.port == 7946" -T fields -e udp.payload |
        awk 'length > 0 && !seen[$0]++ { print "datagram", $0 }'
    streams 7946 request reply
    streams 7373 rpc-request rpc-reply
} >"$here/$out.txt"
rm -r "$work"
