#!/bin/sh
# Drop-in for the script of the same name: dhcp-lease-hook.sh IP MAC [HOSTNAME], as `execute` in dhcpd.conf calls it.
# Nothing in the DHCP server's configuration has to change. It costs a shell more than the hook itself (about 1 ms).
#
# FARRIER_HOOK names another place of the hook.

exec "${FARRIER_HOOK:-/usr/local/lib/farrier/farrier-lease-isc}" commit "${1:-}" "${2:-}" - "${3:--}"
