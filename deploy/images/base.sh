#!/usr/bin/env bash
# Makes a base image from Debian's packages, for places where no public registry is reachable: Debian 13 (trixie)
# with its Python 3.13, the C++ library, root certificates and time zones. It has no apt, no pip and no compiler.
#
#   deploy/images/base.sh [NAME]     NAME is gantry.local/python:3.13-trixie by default
#
# MIRROR     address of a Debian archive; by default the one that this machine's apt uses
# SECURITY   address of its security archive; by default that of this machine's apt, if it has one
# BUILDER    docker, podman or buildah; by default the first that works
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/tool.sh"

name=${1:-gantry.local/python:3.13-trixie}

archive_of_apt() { # LABEL: the address of Debian's archive of this label that apt is set up for
    command -v apt-get > /dev/null || return 0
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" |
        sort -u | head -n 1
}

sources() { # the archives of trixie, in the words of sources.list
    printf 'deb %s trixie main\ndeb %s trixie-updates main\n' "$MIRROR" "$MIRROR"
    [ -z "$SECURITY" ] || printf 'deb %s trixie-security main\n' "$SECURITY"
}

bootstrap() { # FILE: writes the root file system as a tar archive, without what only a running machine needs
    sources | mmdebstrap --quiet --variant=essential --format=tar \
        --include=python3,libstdc++6,ca-certificates,tzdata \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
        --customize-hook='find "$1/var/log" "$1/var/cache" -type f -delete' \
        trixie "$1" -
}

load() { # FILE: makes the image NAME of the archive
    local container
    if [ "$TOOL" != buildah ]; then
        "$TOOL" import --change 'CMD ["python3"]' "$1" "$name" > /dev/null
        return
    fi
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$1" / > /dev/null
    buildah config --cmd python3 "$container"
    buildah commit --quiet --rm --timestamp "$SOURCE_DATE_EPOCH" "$container" "$name" > /dev/null
}

find_tool
command -v mmdebstrap > /dev/null || die "mmdebstrap is not installed; Debian and Ubuntu have it as a package."
MIRROR=${MIRROR:-$(archive_of_apt Debian)}
SECURITY=${SECURITY:-$(archive_of_apt Debian-Security)}
[ -n "$MIRROR" ] || die "apt here knows no archive of Debian: give its address as MIRROR."
# The date of the files that are made now: two bases made on one day of the same packages are equal.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(date --utc --date '00:00' +%s)}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
say "fetching Debian's packages"
bootstrap "$folder/base.tar"
load "$folder/base.tar"
say "$name made with $TOOL: $(du -h "$folder/base.tar" | cut -f 1) unpacked; use it with make images BASE=$name"
