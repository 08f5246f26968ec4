#!/bin/sh
# Make the secrets that compose.yaml mounts, each in a file of its own in secrets/. What is there already is kept, so this may be
# run again. The folder is closed to others; the files are not, as each container reads its own as a user of its own.
set -eu
cd "$(dirname "$0")"
umask 022
mkdir -p secrets
chmod 700 secrets

# Forty hexadecimal digits: the form of a NetBox token, and good enough for everything else.
keep() {
    [ -s "secrets/$1" ] || od -An -N20 -tx1 /dev/urandom | tr -d ' \n' > "secrets/$1"
}
digest() {
    tr -d '\n' < "secrets/$1" | sha256sum | cut -d ' ' -f 1
}

for name in redis_farrier_password redis_ship_password netbox_token postgres_password \
    netbox_admin_password netbox_redis_password grafana_admin_password; do
    keep "$name"
done
# NetBox asks for fifty characters or more.
[ -s secrets/netbox_secret_key ] || od -An -N40 -tx1 /dev/urandom | tr -d ' \n' > secrets/netbox_secret_key

# The API's certificate, which signs itself: Prometheus, and whoever else asks, is given it to trust. Yours takes its place.
if [ ! -s secrets/farrier_api_key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj /CN=farrier \
        -addext subjectAltName=DNS:farrier,DNS:localhost,IP:127.0.0.1 \
        -keyout secrets/farrier_api_key.new -out secrets/farrier_api_cert 2> /dev/null
    chmod 644 secrets/farrier_api_key.new
    mv secrets/farrier_api_key.new secrets/farrier_api_key
fi

# Farrier's own keys and the commands it uses; beside a DHCP server, one stream to append to. Nobody else gets in.
cat > secrets/redis_users << USERS
user default off
user farrier on #$(digest redis_farrier_password) ~netbox:* ~farrier:* ~bm:events:* resetchannels -@all +@stream +@hash +@sortedset +@list +@set +@connection -@dangerous -@admin +del +exists +rename +type +time +info +fcall +function|load
user ship on #$(digest redis_ship_password) ~netbox:bmc:discovered ~netbox:bmc:discovered:* resetchannels -@all +xadd +ping
USERS
cat > secrets/netbox_redis_users << USERS
user default on #$(digest netbox_redis_password) ~* &* +@all
USERS

# The spool belongs to the user of Farrier's image where that can be set, and is open to hooks either way.
mkdir -p spool
chown 10001:10001 spool 2> /dev/null || true
chmod 1777 spool

if [ ! -s secrets/bmc_password ]; then
    echo "now write the controllers' password into $(pwd)/secrets/bmc_password" >&2
fi
