#!/bin/sh
# Farrier's collector: says what a server is and what it is wired to, and sends it to the URL the host gave it.
#
#   collect.sh [URL]        the URL is otherwise taken from bm.callback_url= on the kernel command line
#
# It reads only: nothing on the server is changed, no disk is touched. It needs curl, and dmidecode or /sys/class/dmi; for the
# cabling lldpctl (lldpd) or networkctl (systemd-networkd). Without either it reports no neighbours, and the host fails the
# cable check for want of evidence. It needs no jq and no bash.
#
# Environment: CMDLINE (default /proc/cmdline), LLDP_WAIT seconds for neighbours to show up (default 45, also bm.lldp_wait=),
# SYS_NET (default /sys/class/net), DRY_RUN=1 prints the report and sends nothing.

set -eu

LC_ALL=C
export LC_ALL

cmdline=${CMDLINE:-/proc/cmdline}
sys_net=${SYS_NET:-/sys/class/net}

say() { printf 'collect: %s\n' "$*" >&2; }

# Value of a kernel argument; empty if absent.
kernel_arg() {
    [ -r "$cmdline" ] || return 0
    tr ' \n' '\n\n' <"$cmdline" | sed -n "s/^$1=//p" | tail -n 1
}

# Standard input as the inside of a JSON string: control characters dropped, quotes and backslashes escaped, one line.
json_text() {
    tr -d '\000-\010\013\014\016-\037\177' | tr '\t\r\n' '   ' | sed -e 's/[\\"]/\\&/g' -e 's/^ *//' -e 's/ *$//'
}

quoted() { printf '"%s"' "$(printf '%s' "$1" | json_text)"; }

# One DMI string by dmidecode's keyword and by its file in /sys.
dmi() {
    value=
    if command -v dmidecode >/dev/null 2>&1; then
        value=$(dmidecode -s "$1" 2>/dev/null | grep -v '^#' | head -n 1) || value=
    fi
    if [ -z "$value" ] && [ -r "/sys/class/dmi/id/$2" ]; then
        value=$(cat "/sys/class/dmi/id/$2" 2>/dev/null) || value=
    fi
    printf '%s' "$value"
}

# Network interfaces with hardware behind them; with none (a container, a test), all but the loopback.
interfaces() {
    found=
    for path in "$sys_net"/*; do
        if [ -e "$path/device" ]; then
            found="$found ${path##*/}"
        fi
    done
    if [ -z "$found" ]; then
        for path in "$sys_net"/*; do
            [ "${path##*/}" = lo ] || [ ! -e "$path/address" ] || found="$found ${path##*/}"
        done
    fi
    printf '%s' "$found"
}

# The burnt-in address: a bond gives its members its own.
mac_of() {
    permanent=
    if command -v ethtool >/dev/null 2>&1; then
        permanent=$(ethtool -P "$1" 2>/dev/null | sed -n 's/^Permanent address: //p') || permanent=
    fi
    case $permanent in
        '' | 00:00:00:00:00:00 | 'not set') cat "$sys_net/$1/address" 2>/dev/null || : ;;
        *) printf '%s' "$permanent" ;;
    esac
}

interfaces_json() {
    separator=
    printf '['
    for name in $(interfaces); do
        state=$(cat "$sys_net/$name/operstate" 2>/dev/null) || state=unknown
        speed=$(cat "$sys_net/$name/speed" 2>/dev/null) || speed=
        case $speed in '' | -* | *[!0-9]*) speed=null ;; esac
        printf '%s{"name":%s,"mac":%s,"state":%s,"speed_mbps":%s}' "$separator" \
            "$(quoted "$name")" "$(quoted "$(mac_of "$name")")" "$(quoted "$state")" "$speed"
        separator=,
    done
    printf ']'
}

bring_up() {
    command -v ip >/dev/null 2>&1 || return 0
    for name in $(interfaces); do
        ip link set "$name" up 2>/dev/null || say "cannot bring up $name"
    done
}

# lldpctl's own JSON; nothing unless it looks like it.
from_lldpctl() {
    command -v lldpctl >/dev/null 2>&1 || return 1
    text=$(lldpctl -f json 2>/dev/null) || return 1
    case $text in '{'*'}') printf '%s' "$text" ;; *) return 1 ;; esac
}

# systemd-networkd's table in the form of lldpctl: link, chassis id, system name, capabilities, port id.
from_networkctl() {
    command -v networkctl >/dev/null 2>&1 || return 1
    table=$(networkctl lldp --no-pager --no-legend 2>/dev/null) || return 1
    [ -n "$table" ] || return 1
    separator=
    printf '{"lldp":{"interface":['
    printf '%s\n' "$table" | {
        while read -r link chassis system _ port _; do
            [ -n "$port" ] || continue
            printf '%s{%s:{"via":"LLDP","chassis":{%s:{"id":{"type":"mac","value":%s}}},"port":{"id":{"type":"ifname","value":%s}}}}' \
                "$separator" "$(quoted "$link")" "$(quoted "$system")" "$(quoted "$chassis")" "$(quoted "$port")"
            separator=,
        done
        printf ']}}'
    }
}

lldp_json() { from_lldpctl || from_networkctl || printf '{"lldp":{}}'; }

# How many interfaces have a carrier, and how many neighbours are known.
carriers() {
    count=0
    for name in $(interfaces); do
        [ "$(cat "$sys_net/$name/carrier" 2>/dev/null)" != 1 ] || count=$((count + 1))
    done
    printf '%s' "$count"
}

neighbours() { lldp_json | tr ',{' '\n\n' | grep -c '"chassis"' || :; }

# A switch says who it is every 30 seconds; waiting ends when every live port has heard one.
wait_for_neighbours() {
    waited=0
    while [ "$waited" -lt "$1" ]; do
        live=$(carriers)
        heard=$(neighbours)
        if [ "$live" -gt 0 ] && [ "${heard:-0}" -ge "$live" ]; then
            return 0
        fi
        sleep 1
        waited=$((waited + 1))
    done
    say "after $waited s, ${heard:-0} neighbours on ${live:-0} live ports"
}

report() {
    device=$(kernel_arg device_id)
    printf '{"device_id":%s,"timestamp":%s,' "$(quoted "$device")" "$(quoted "$(date -u +%Y-%m-%dT%H:%M:%SZ)")"
    printf '"hardware":{"manufacturer":%s,"model":%s,"serial":%s},' "$(quoted "$(dmi system-manufacturer sys_vendor)")" \
        "$(quoted "$(dmi system-product-name product_name)")" "$(quoted "$(dmi system-serial-number product_serial)")"
    printf '"interfaces":%s,"lldp":%s}\n' "$(interfaces_json)" "$(lldp_json)"
}

# The token in the URL is a secret: it is never printed, and curl gets it by a file, not by its arguments.
send() {
    answer=$(mktemp)
    trap 'rm -f "$answer"' EXIT
    status=$(printf 'url = "%s/api/v1/validation/report"\n' "${url%/}" |
        curl --silent --show-error --config - --header 'Content-Type: application/json' --data-binary "@$1" \
            --retry 20 --retry-connrefused --retry-delay 3 --max-time 60 --output "$answer" --write-out '%{http_code}') || {
        say "the report could not be sent"
        return 1
    }
    case $status in
        2??) say "the report was taken ($status)" ;;
        *)
            say "the report was refused ($status): $(head -c 500 "$answer" | tr -cd '[:print:]')"
            return 1
            ;;
    esac
}

url=${1:-$(kernel_arg bm.callback_url)}
if [ -z "$url" ] && [ "${DRY_RUN:-0}" != 1 ]; then
    say 'no URL: give it as an argument or as bm.callback_url= on the kernel command line'
    exit 2
fi
wait=${LLDP_WAIT:-$(kernel_arg bm.lldp_wait)}
bring_up
wait_for_neighbours "${wait:-45}"
if [ "${DRY_RUN:-0}" = 1 ]; then
    report
    exit 0
fi
body=$(mktemp)
report >"$body"
result=0
send "$body" || result=1
rm -f "$body"
exit "$result"
