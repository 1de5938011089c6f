# Finds the program that builds images, for the scripts in this folder. They source it.

say() { printf 'images: %s\n' "$*"; }
die() { printf 'images: %s\n' "$*" >&2; exit 1; }

works() { # PROGRAM: is it installed, and does it answer?
    case $1 in
    docker) docker info ;;
    podman) podman info ;;
    buildah) buildah info ;;
    *) die "BUILDER is $1; it can be docker, podman or buildah." ;;
    esac > /dev/null 2>&1
}

find_tool() { # sets TOOL: BUILDER where it is given, else the first that works
    local each
    for each in ${BUILDER:-docker podman buildah}; do
        if works "$each"; then
            TOOL=$each
            return 0
        fi
    done
    die "No program here builds images. Install docker (with its daemon running), podman or buildah" \
        "(tried: ${BUILDER:-docker podman buildah})."
}

# Build steps then run with the kernel's chroot alone, which also works where no further container may be
# started: in another container, or in CI. What they run is this repository and the packages of uv.lock.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
