#!/bin/sh
# Makes .venv with everything in requirements.lock, and says plainly what is missing if it cannot.
#   scripts/setup.sh        what the demo and development need
#   scripts/setup.sh test   and what only the tests need from the system
set -eu
cd "$(dirname "$0")/.."

fail() {
    printf '\nsetup: %s\n' "$1" >&2
    exit 1
}

find_python() {
    for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# The tests run the real bleak backend over a private D-Bus; nothing else needs a system package.
need_dbus() {
    command -v dbus-daemon >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "setup: installing dbus-daemon"
        apt-get update -qq && apt-get install -y -qq --no-install-recommends dbus-daemon && return
    fi
    fail "dbus-daemon is missing: install your system's package of that name (Debian: apt-get install dbus-daemon)"
}

[ "$(uname -s)" = Linux ] || echo "setup: Corsia is built for Linux; elsewhere nothing is tested" >&2
[ "${1:-}" = test ] && need_dbus

mark=.venv/.installed-from
wanted=$(cat requirements.lock pyproject.toml | cksum)
if [ -f "$mark" ] && [ "$(cat "$mark")" = "$wanted" ]; then
    exit 0
fi
python=$(find_python) || fail "Python 3.11 or newer is needed and was not found (set PYTHON=/path/to/python to name one)"
if [ ! -x .venv/bin/python ]; then
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv .venv || fail "$python cannot make a virtual environment (Debian: apt-get install python3-venv)"
fi
echo "setup: installing what requirements.lock names (about 330 MB to fetch)"
# uv itself comes from the lock too; it installs the rest ten times as fast as pip does.
sed -n '/^uv==/,/^[^ ]/p' requirements.lock | sed '1!{/^[^ ]/d}' >.venv/uv.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock ||
    fail "uv could not be installed: is there a network, and a wheel for this machine (64-bit x86 or ARM)?"
.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock ||
    fail "not everything could be installed: is there a network, and a wheel for this machine (64-bit x86 or ARM)?"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . ||
    fail "the project itself could not be installed into .venv"
printf '%s' "$wanted" >"$mark"
echo "setup: done"
