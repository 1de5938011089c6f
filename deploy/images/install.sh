#!/bin/sh
# Installs into an image under construction; the stages of the Dockerfile call it.
#
#   install.sh packages [OPTION ..]   packages of uv.lock into the environment $UV_PROJECT_ENVIRONMENT; options of uv sync
#   install.sh code                   the project's own code of /source to /code, as its wheel holds it
set -eu

# A certificate authority of the network (a proxy that looks into TLS), for the time of this command only.
[ ! -s /run/secrets/ca ] || export SSL_CERT_FILE=/run/secrets/ca

compile() { # FOLDER PLACE: bytecode of FOLDER, which will lie at PLACE
    # Hashes instead of dates: the bytecode stays valid whatever happens to the dates, and equal code makes equal files.
    # One process and fixed hashes of strings, or the order of constants differs from run to run.
    PYTHONHASHSEED=0 python3 -m compileall -q -j 1 -f -s "$1" -p "$2" --invalidation-mode unchecked-hash "$1"
}

date_fixed() { # FOLDER: one date for all files, so that the layer depends on their content alone
    find "$1" -exec touch --no-dereference --date 1980-01-01T00:00:00Z {} +
}

packages() {
    uv sync --quiet --frozen --no-default-groups --no-install-project "$@"
    # Python finds the project's code there, whatever its working folder and its variables are.
    echo /app > "$("$UV_PROJECT_ENVIRONMENT/bin/python3" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/app.pth"
    compile "$UV_PROJECT_ENVIRONMENT" "$UV_PROJECT_ENVIRONMENT"
    date_fixed "$UV_PROJECT_ENVIRONMENT"
}

code() {
    python=$UV_PROJECT_ENVIRONMENT/bin/python3
    UV_PROJECT_ENVIRONMENT=/builder uv sync --quiet --frozen --only-group build
    uv build --quiet --wheel --no-build-isolation --python /builder/bin/python3 --out-dir /wheel /source
    uv pip install --quiet --no-deps --python "$python" --target /code /wheel/*.whl
    # The list of files would name rooms that an image lacks; the others tell where and when this stage installed.
    cd /code/gantry-*.dist-info
    rm -f RECORD direct_url.json uv_cache.json
    compile /code /app
    date_fixed /code
}

what=$1
shift
"$what" "$@"
