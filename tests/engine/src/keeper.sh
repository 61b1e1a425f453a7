# Keeps one dockerd: does what it is told line by line, and when its input ends, takes everything away.
#   keeper.sh FOLDER NAME SUBNET...   NAME: of the bridge; SUBNET: the first free one of these is taken (10.210.7)
# DOCKERD_ARGUMENTS, a variable: more for dockerd.
# In: `start`, `stop` (the engine ends its containers), `kill` (it cannot), `freeze`, `thaw`. Out: `done`, or a line that says why not.
set -u
trap '' INT HUP TERM
folder=$1 bridge=$2
shift 2
socket=$folder/docker.sock log=$folder/log
pid='' storage=''

ask() { curl -s -o /dev/null --max-time 5 --unix-socket "$socket" "$@"; }

lay_bridge() {
    for subnet in "$@"; do
        ip -o -4 address show | grep -qF " $subnet." && continue
        ip link add "$bridge" type bridge && ip address add "$subnet.1/24" dev "$bridge" && ip link set "$bridge" up
        return
    done
    echo "no subnet is free: $*" >&2
    return 1
}

# Whether it answers, with this storage driver, before it ends or half a minute is over.
try() {
    rm -f "$socket" "$folder/pid"
    dockerd --host "unix://$socket" --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
        --containerd-namespace "$bridge" --containerd-plugins-namespace "$bridge-plugins" --storage-driver "$1" \
        --bridge "$bridge" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --shutdown-timeout 2 ${DOCKERD_ARGUMENTS-} \
        </dev/null >>"$log" 2>&1 &
    pid=$!
    for _ in $(seq 600); do
        ask http://engine/_ping && { storage=$1; return 0; }
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    end KILL
    drop_helper
    return 1
}

start() {
    if [ "$storage" ]; then try "$storage"; else try overlay2 || try vfs; fi
}

end() {
    [ "$pid" ] && kill -CONT "$pid" 2>/dev/null && kill -"$1" "$pid" 2>/dev/null
    [ "$pid" ] && wait "$pid" 2>/dev/null
    pid=''
}

# It leaves its own helper's number behind, and would take whoever has it then for that helper.
drop_helper() {
    helper=$folder/exec/containerd/containerd.pid
    [ -s "$helper" ] && kill -KILL "$(cat "$helper")" 2>/dev/null
    rm -f "$helper"
}

# What an engine that could not end them has left: containers with the processes that hold them, its own helper, its mounts.
sweep() {
    for holder in $(pgrep -f -- "$folder/exec/containerd/"); do
        for inside in $(pgrep -P "$holder"); do kill -KILL "$inside" 2>/dev/null; done
        kill -KILL "$holder" 2>/dev/null
    done
    for _ in $(seq 100); do
        pgrep -f -- "$folder/exec/containerd/" >/dev/null || break
        sleep 0.05
    done
    awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
        umount -l "$mount" 2>/dev/null
    done
}

take_away() {
    if [ "$pid" ]; then
        kill -CONT "$pid" 2>/dev/null
        for id in $(curl -s --max-time 5 --unix-socket "$socket" 'http://engine/containers/json?all=1' | grep -oE '"Id":"[0-9a-f]{64}"' | cut -d'"' -f4); do
            ask -X DELETE "http://engine/containers/$id?force=1&v=1" &
            removals="${removals-} $!"
        done
        [ "${removals-}" ] && wait $removals
    fi
    end TERM
    sweep
    ip link delete "$bridge" 2>/dev/null
    rm -rf "$folder"
}

lay_bridge "$@" || { rm -rf "$folder"; exit 1; }
while read -r word; do
    case $word in
        start) start ;;
        stop) end TERM ;;
        kill) end KILL; drop_helper ;;
        freeze) kill -STOP "$pid" ;;
        thaw) kill -CONT "$pid" ;;
        *) false ;;
    esac && echo done || { echo "dockerd: $(tail -n 3 "$log" | tr '\n' ' ')"; }
done
take_away
