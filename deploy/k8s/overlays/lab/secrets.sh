#!/bin/bash
# Makes what the lab needs and no manifest may hold: the namespace, random passwords, and the certificates of the
# services and simulators, from an authority in a folder.
#   secrets.sh HOME [DNS...]   HOME: the folder whose pki/ is the authority; DNS: more names of the vendors' door
# Run it again at any time: what exists stays, certificates are replaced when `gantry certificate` made new ones.
set -euo pipefail
cd "$(dirname "$0")"
: "${KUBECTL:=kubectl}" "${GANTRY:=gantry}"
[ $# -ge 1 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
home=$1 && shift
namespace=gantry
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT

secret() { # TYPE NAME FILE=PATH..: make it or bring it up to date
    local kind=$1 name=$2 files=()
    shift 2
    for file in "$@"; do files+=("--from-file=$file"); done
    "$KUBECTL" create secret generic "$name" --namespace "$namespace" --type "$kind" "${files[@]}" \
        --dry-run=client --output yaml | "$KUBECTL" apply --server-side --field-manager gantry-secrets -f - > /dev/null
    echo "Secret $name"
}
missing() { ! "$KUBECTL" get secret "$1" --namespace "$namespace" > /dev/null 2>&1; }
password() { # NAME: a Secret with a random password, once
    missing "$1" || return 0
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > "$folder/password"
    secret Opaque "$1" "password=$folder/password"
}

"$KUBECTL" apply --server-side -f namespace.yaml
for service in store ingest match nas-bridge; do
    password "$service-database"
    password "$service-database-owner"
done
if missing gantry-database-superuser; then
    printf postgres > "$folder/username"
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > "$folder/password"
    secret kubernetes.io/basic-auth gantry-database-superuser \
        "username=$folder/username" "password=$folder/password"
fi
more=()
for each in "$@"; do more+=(--dns "$each"); done
for name in store ingest match nas-bridge canary nas nadc; do
    identity=${name//-/_}
    "$GANTRY" certificate service "$identity" --home "$home" \
        --dns "$name" --dns "$name.$namespace.svc" "${more[@]}" > /dev/null
    secret kubernetes.io/tls "$name-tls" "tls.crt=$home/pki/services/$identity.pem" \
        "tls.key=$home/pki/services/$identity.key" "ca.crt=$home/pki/ca.pem"
done
