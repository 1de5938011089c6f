#!/usr/bin/env bash
# Builds Gantry's images, one a target of the Dockerfile, as $REGISTRY/NAME:$TAG.
#
#   deploy/images/build.sh [NAME ..]     all of them by default
#
# BASE       image with Python and without Gantry; python:3.13-slim by default. See base.sh where no registry is reachable
# REGISTRY   first part of the names (gantry.local)
# TAG        last part of the names (what git describes)
# ARCHIVES   folder for NAME.tar, a docker-archive of each image, for clusters without a registry
# CA         file with certificate authorities to trust while packages are fetched
# BUILDER    docker, podman or buildah; by default the first that works
# NO_CACHE   1 builds every step again
# UV         the program uv (.tools/bin/uv, which `make images` installs)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
. "$here/tool.sh"

NAMES=(ingest store match nas-bridge canary command simulators)
REGISTRY=${REGISTRY:-gantry.local}
TAG=${TAG:-$(git describe --always --dirty)}
BASE=${BASE:-python:3.13-slim}
UV=${UV:-.tools/bin/uv}

fetch_uv() { # puts the uv of uv.lock, for the platform of the images, where the Dockerfile takes it from
    local folder=.tools/images
    mkdir -p "$folder"
    "$UV" export --quiet --frozen --only-group build --no-header --no-annotate |
        awk '/^[^ ]/ { wanted = /^uv==/ } wanted' > "$folder/uv.txt"
    cmp -s "$folder/uv.txt" "$folder/uv.installed" && return 0
    say "fetching uv"
    rm -rf "$folder/wheel" "$folder/uv"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --require-hashes \
        --only-binary :all: --platform "manylinux2014_$(uname -m | sed s/arm64/aarch64/)" \
        --target "$folder/wheel" --requirement "$folder/uv.txt"
    mv "$folder/wheel/bin/uv" "$folder/uv"
    mv "$folder/uv.txt" "$folder/uv.installed"
}

write_dockerfile() { # with the labels of this commit as text: buildah 1.28 reuses a step whose arguments alone changed
    sed -e "s|[$]{VERSION}|$TAG|" -e "s|[$]{REVISION}|$(git rev-parse HEAD)|" \
        -e "s|[$]{CREATED}|$(date --utc --date "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)|" \
        deploy/images/Dockerfile > .tools/images/Dockerfile
}

build() { # NAME
    local options=(
        --file .tools/images/Dockerfile --target "$1" --tag "$REGISTRY/$1:$TAG"
        --build-arg "BASE=$BASE"
    )
    [ -z "${CA:-}" ] || options+=(--secret "id=ca,src=$CA")
    [ "${NO_CACHE:-}" != 1 ] || options+=(--no-cache)
    case $TOOL in
    docker) docker build --quiet --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "${options[@]}" . ;;
    *) "$TOOL" build --quiet --layers --timestamp "$SOURCE_DATE_EPOCH" "${options[@]}" . ;;
    esac > /dev/null
}

archive() { # NAME: writes it to ARCHIVES; a reader never finds half a file
    local image=$REGISTRY/$1:$TAG file=$ARCHIVES/$1.tar
    rm -f "$file.new"
    case $TOOL in
    docker) docker save --output "$file.new" "$image" ;;
    podman) podman save --quiet --format docker-archive --output "$file.new" "$image" ;;
    buildah) buildah push --quiet "$image" "docker-archive:$file.new:$image" ;;
    esac > /dev/null
    mv "$file.new" "$file"
}

find_tool
[ -x "$UV" ] || command -v "$UV" > /dev/null || die "There is no $UV: run make images, or give the program as UV."
[ -z "${CA:-}" ] || [ -r "$CA" ] || die "CA is $CA, which cannot be read."
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
fetch_uv
write_dockerfile
[ $# -gt 0 ] || set -- "${NAMES[@]}"
[ -z "${ARCHIVES:-}" ] || mkdir -p "$ARCHIVES"
say "building with $TOOL on $BASE"
for name; do
    build "$name"
    [ -z "${ARCHIVES:-}" ] || archive "$name"
    say "$REGISTRY/$name:$TAG${ARCHIVES:+, $ARCHIVES/$name.tar}"
done
