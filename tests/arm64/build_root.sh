#!/bin/sh
# Makes an ARM64 Debian with spotlet in it, or brings the one that is there up to date.
#
#   build_root.sh CACHE PYTHON
#
# CACHE/root     Debian's packages for arm64, unpacked: Python and what it needs
# CACHE/site     spotlet's wheel and its libraries for arm64, by PYTHON's pip
# CACHE/root/usr/bin/python-arm64   a Python to call like any other
#
# QEMU in user mode runs one ARM64 program and looks for each file in CACHE/root before it looks
# at this machine's. So nothing is installed, and root's rights, a chroot and binfmt_misc are not
# needed. Exit code 77, after one line, where this machine cannot do it.
set -eu

CACHE=$1
PYTHON=$2
# Its QEMU, 10.0, is the first of Debian's that runs onnxruntime 1.32; bookworm's crashes.
SUITE=trixie
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
PACKAGES="python3 libstdc++6"
FETCH_SECONDS=300

skip() {
    echo "$*"
    exit 77
}

# apt's own settings, its proxy say, still hold; its state and its sources are the cache's.
private_apt() {
    mkdir -p "$CACHE/apt/lists/partial" "$CACHE/apt/archives/partial"
    : >"$CACHE/apt/status"
    echo "deb [arch=amd64,arm64 signed-by=$KEYRING] $1 $SUITE main" >"$CACHE/apt/sources.list"
    cat >"$CACHE/apt/apt.conf" <<END
Dir::State "$CACHE/apt";
Dir::State::status "$CACHE/apt/status";
Dir::Cache "$CACHE/apt";
Dir::Etc::sourcelist "$CACHE/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Architecture "arm64";
APT::Architectures { "arm64"; "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
END
}

fetch() {
    timeout "$FETCH_SECONDS" apt-get -qq -c "$CACHE/apt/apt.conf" "$@" >"$CACHE/apt/log" 2>&1 \
        || skip "Debian's packages of $SUITE cannot be fetched; see $CACHE/apt/log"
}

unpack_debian() {
    for tool in apt-get dpkg-deb; do
        command -v "$tool" >/dev/null || skip "needs Debian's $tool"
    done
    [ -e "$KEYRING" ] || skip "needs the package debian-archive-keyring"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' 'Component: main' | head -n 1)
    [ -n "$mirror" ] || skip "apt knows no mirror of Debian; apt-get update"
    private_apt "$mirror"
    fetch update
    # shellcheck disable=SC2086
    fetch install --yes --download-only $PACKAGES
    rm -rf "$CACHE/root" "$CACHE/new"
    mkdir -p "$CACHE/new/tmp" "$CACHE/new/usr/bin" "$CACHE/new/usr/lib" "$CACHE/new/usr/sbin"
    for folder in bin lib sbin; do
        ln -s "usr/$folder" "$CACHE/new/$folder"
    done
    for package in "$CACHE"/apt/archives/*.deb; do
        dpkg-deb -x "$package" "$CACHE/new"
    done
    (cd "$CACHE/apt" && fetch download qemu-user:amd64)
    dpkg-deb --fsys-tarfile "$CACHE"/apt/qemu-user_*.deb \
        | tar -x -C "$CACHE" --strip-components=3 ./usr/bin/qemu-aarch64
    rm -rf "$CACHE/apt"
    # Were it missing, Python would look into this machine's.
    mkdir -p "$CACHE/new/usr/local/lib/$(root_python new)/dist-packages"
    mv "$CACHE/new" "$CACHE/root"
}

root_python() {
    basename "$CACHE/$1"/usr/bin/python3.[0-9]*
}

# The name under which Python is called is that of this file, so that a process that Python starts
# again, `sys.executable`, comes through here too.
write_python() {
    python=$CACHE/root/usr/bin/python-arm64
    cat >"$python" <<'END'
#!/bin/sh
bin=$(dirname "$0")
exec "$bin/../../../qemu-aarch64" -L "$bin/../.." -0 "$0" "$bin/python3" "$@"
END
    chmod +x "$python"
}

pip_for_arm64() {
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --target "$CACHE/site" --upgrade \
        --python-version "$(root_python root | tr -d a-z)" --implementation cp \
        --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 \
        --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 \
        --only-binary=:all: --constraint constraints.txt "$@"
}

# The libraries stay as long as what names them does; spotlet itself is always new.
install_spotlet() {
    rm -rf "$CACHE/wheel"
    "$PYTHON" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$CACHE/wheel" .
    wheel=$(echo "$CACHE"/wheel/*.whl)
    libraries=$(cat constraints.txt pyproject.toml "$0" | cksum)
    if [ "$(cat "$CACHE/libraries" 2>/dev/null)" = "$libraries" ]; then
        rm -rf "$CACHE"/site/spotlet*
        pip_for_arm64 --no-deps "$wheel"
    else
        rm -rf "$CACHE/site"
        # The tests' conftest.py imports onnx (adopt) and, for labelled sets, yaml.
        pip_for_arm64 "${wheel}[adopt]" pytest hypothesis pyyaml
        echo "$libraries" >"$CACHE/libraries"
    fi
}

mkdir -p "$CACHE"
[ -d "$CACHE/root" ] || unpack_debian
write_python
install_spotlet
