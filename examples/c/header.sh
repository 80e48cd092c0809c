#!/bin/sh
# Brings onnxruntime's C header into include/ from Debian's package, installing nothing.
#
# Debian has the package from release 13 on; with an older one, its lists and the package are read
# from release 13's, in a folder of their own. A newer library serves an older header.
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/sources"
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" \
    >"$folder/sources.list"
set -- -qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts="$folder/sources" \
    -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root
apt-get "$@" update
(cd "$folder" && apt-get "$@" download libonnxruntime-dev)
dpkg-deb -x "$folder"/libonnxruntime-dev_*.deb "$folder/unpacked"
rm -rf include
cp -r "$folder/unpacked/usr/include/onnxruntime" include
