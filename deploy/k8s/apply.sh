#!/bin/bash
# Applies an overlay in order: what all need, then the database, roles and schemas, migrations, services; and waits.
#   apply.sh OVERLAY   a name in overlays/, or the path of a folder that builds elsewhere
# Environment: REGISTRY (gantry.local), TAG (as `git describe`), GANTRY_POSTGRES_IMAGE (for the lab), KUBECTL (kubectl),
# WAIT (seconds for each step, 600).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
: "${KUBECTL:=kubectl}" "${REGISTRY:=gantry.local}" "${WAIT:=600}"
: "${TAG:=$(git -C "$here" describe --always --dirty)}"
overlay=$1
[ -d "$overlay" ] || overlay=$here/overlays/$1
[ -d "$overlay" ] || { echo "There is no overlay $1; there are: $(ls "$here/overlays" | xargs)." >&2; exit 2; }
built=$(mktemp) && trap 'rm -f "$built"' EXIT

postgres='postgresql\.local/postgresql:17$' # the lab's Cluster: no name of it is good in every cluster
"$KUBECTL" kustomize "$overlay" | sed -E \
    -e "s,image: gantry\.local/([a-z-]+):unreleased$,image: $REGISTRY/\1:$TAG," \
    ${GANTRY_POSTGRES_IMAGE:+-e "s,$postgres,$GANTRY_POSTGRES_IMAGE,"} > "$built"
if grep -q "$postgres" "$built"; then
    echo "Set GANTRY_POSTGRES_IMAGE to an image of PostgreSQL for CloudNativePG that the cluster has or can pull." >&2
    exit 2
fi
namespace=$(awk '/^kind: Namespace/ {found = 1} found && /^  name:/ {print $2; exit}' "$built")
[ -n "$namespace" ] || { echo "The overlay $overlay has no Namespace; add one." >&2; exit 2; }

k() { "$KUBECTL" --namespace "$namespace" "$@"; }
say() { echo "$(date +%T) $*"; }
apply() { # SELECTOR: the objects with these labels
    "$KUBECTL" apply --server-side --force-conflicts --field-manager gantry -l "$1" -f "$built" > /dev/null
}
show_pods() { # SELECTOR: what its pods that are not well say
    local pod
    for pod in $(k get pods -l "$1" --sort-by=.metadata.creationTimestamp --output name); do
        k get "$pod" --no-headers
        echo
        k logs "$pod" --all-containers --tail 15 --prefix 2>&1 || true
        k events --for "$pod" --types Warning 2> /dev/null | tail -n 3
    done | tail -n 60
}
fail() { # WHAT SELECTOR ADVICE
    {
        echo "$1. Its pods say:"
        show_pods "$2"
        echo "$3"
    } >&2
    exit 1
}
wait_for_job() { # NAME
    local ends=$((SECONDS + WAIT)) state=
    while [ $SECONDS -lt $ends ]; do
        state=$(k get job "$1" --output jsonpath='{.status.conditions[?(@.status=="True")].type}')
        case $state in
            *Complete*) say "$1 is done"; return ;;
            *Failed*) break ;;
        esac
        sleep 1
    done
    fail "The Job $1 has not finished" "batch.kubernetes.io/job-name=$1" \
        "Correct the cause, and run apply.sh again: it starts the Job anew. The services were not changed."
}

say "applying $overlay with the images $REGISTRY/*:$TAG to $namespace"
apply 'app.kubernetes.io/component notin (service, migration, simulator)'
if grep -q '^kind: Cluster$' "$built"; then
    for cluster in $(awk '/^kind: Cluster$/ {found = 1} found && /^  name:/ {print $2; found = 0}' "$built"); do
        k wait --for=condition=Ready "cluster.postgresql.cnpg.io/$cluster" --timeout="${WAIT}s" > /dev/null ||
            fail "The database $cluster is not ready" "cnpg.io/cluster=$cluster" \
                "\`kubectl describe cluster.postgresql.cnpg.io/$cluster\` says what CloudNativePG waits for."
    done
elif grep -q '^kind: StatefulSet$' "$built"; then
    k rollout status statefulset/gantry-database --timeout="${WAIT}s" > /dev/null ||
        fail "The database is not ready" app.kubernetes.io/component=database \
            "Correct the cause, and run apply.sh again."
fi
say "the database is ready"

k delete job -l app.kubernetes.io/component=migration --ignore-not-found --wait > /dev/null
apply gantry/step=prepare
wait_for_job database-prepare
apply gantry/step=migrate
for job in $(k get job -l gantry/step=migrate --output jsonpath='{.items[*].metadata.name}'); do
    wait_for_job "$job"
done

apply 'app.kubernetes.io/component in (service, simulator)'
for deployment in $(k get deployment -l app.kubernetes.io/part-of=gantry --output name | sed 's,.*/,,'); do
    k rollout status "deployment/$deployment" --timeout="${WAIT}s" > /dev/null ||
        fail "The Deployment $deployment has not rolled out" "app.kubernetes.io/name=$deployment" \
            "The pods of before go on serving. \`kubectl rollout undo deployment/$deployment\` goes back."
    say "$deployment serves"
done
