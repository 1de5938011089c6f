# Finds the program that builds images, for the scripts in this folder. They source it.

say() { printf 'images: %s\n' "$*"; }
die() { printf 'images: %s\n' "$*" >&2; exit 1; }

find_tool() { # sets TOOL: BUILDER where it is given, else the first that works
    local each tried=${BUILDER:-docker podman buildah}
    for each in $tried; do
        case $each in
        docker | podman | buildah) ;;
        *) die "BUILDER is $each; it can be docker, podman or buildah." ;;
        esac
        # docker answers only when its daemon runs
        "$each" info > /dev/null 2>&1 || continue
        TOOL=$each
        return 0
    done
    die "No program here builds images. Install docker (with its daemon running), podman or buildah (tried: $tried)."
}

# Build steps then run with the kernel's chroot alone, which also works where no further container may be
# started: in another container, or in CI. What they run is this repository and the packages of uv.lock.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
