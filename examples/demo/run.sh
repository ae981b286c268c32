#!/bin/sh
# The whole path, for real: a base image made of this machine's Debian packages, a two-stage build,
# a signature, its verification, and the image running under pyoci. `make demo` calls it with both
# commands in PATH. What it makes is below .demo/ in the checkout; remove that to start afresh.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$top/.demo
PYOCI_BUILDER_STORE=$work/store
PYOCI_BUILDER_PASSWORD=${PYOCI_BUILDER_PASSWORD:-demo}
export PYOCI_BUILDER_STORE PYOCI_BUILDER_PASSWORD
mkdir -p "$work"

step() { printf '\n== %s\n' "$*"; }
show() {
    printf '$ %s\n' "$*"
    "$@"
}

# -- the base image -------------------------------------------------------------------------------
# mmdebstrap reads the same sources and the same proxy as apt on this machine.
debian_base() {
    sources=
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
        if [ -s "$file" ]; then sources="$sources $file"; fi
    done
    options=$(apt-config dump | sed -n -E \
        's/^(Acquire::(http|https)::Proxy|Acquire::Check-(Valid-Until|Date)) "(.+)";$/--aptopt=\1 "\4"/p')
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
    set -- mmdebstrap --quiet --variant=apt --include=ca-certificates
    old_ifs=$IFS
    IFS='
'
    for option in $options; do set -- "$@" "$option"; done
    IFS=$old_ifs
    # shellcheck disable=SC2086  # several files
    "$@" "$release" "$work/base.tar.part" $sources && mv "$work/base.tar.part" "$work/base.tar"
}

busybox_base() {
    busybox=$(command -v busybox) || {
        echo "demo: there is no network and no busybox: apt-get install busybox-static" >&2
        exit 1
    }
    root=$work/busybox
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/etc" "$root/home" "$root/tmp"
    cp "$busybox" "$root/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
    echo 'root:x:0:' > "$root/etc/group"
    tar -C "$root" -cf "$work/base.tar" .
    rm -rf "$root"
}

base=debian-base
dockerfile=Dockerfile
if [ ! -s "$work/base.tar" ]; then
    step "A Debian root file system from this machine's packages"
    if ! debian_base; then
        echo "demo: no Debian packages can be had here (no network?): using a busybox base"
        busybox_base
        touch "$work/offline"
    fi
fi
if [ -e "$work/offline" ]; then
    base=busybox-base
    dockerfile=Dockerfile.offline
fi
step "The root file system becomes a base image in the store"
if ! pyoci-builder inspect "$base" > /dev/null 2>&1; then
    show pyoci-builder import "$work/base.tar" "$base"
fi
show pyoci-builder images

# -- build, sign, verify --------------------------------------------------------------------------
step "A key pair"
[ -e "$work/demo.key" ] || show pyoci-builder keygen --output "$work/demo"
[ -e "$work/other.key" ] || pyoci-builder keygen --output "$work/other" > /dev/null

step "The Dockerfile becomes an OCI image layout"
rm -rf "$work/image"
show pyoci-builder build -f "$here/$dockerfile" -t whereami -o "$work/image" "$here"
step "The same again: nothing is left to do"
show pyoci-builder build -f "$here/$dockerfile" -t whereami "$here"

step "Signed by digest, and verified"
show pyoci-builder sign --key "$work/demo.key" "$work/image"
show pyoci-builder verify --key "$work/demo.pub" "$work/image"
step "Another key does not verify it"
if show pyoci-builder verify --key "$work/other.pub" "$work/image"; then
    echo "demo: a foreign key verified the image: this is a bug" >&2
    exit 1
fi

# -- run ------------------------------------------------------------------------------------------
step "The image becomes a bundle"
rm -rf "$work/bundle"
show pyoci-builder unpack "$work/image" "$work/bundle"
step "What a start will do, before it does it (the first lines)"
pyoci explain "$work/bundle" > "$work/plan.txt"
head -n 12 "$work/plan.txt"
echo "... $(wc -l < "$work/plan.txt") operations in all: .demo/plan.txt"
step "And it runs"
show pyoci run --bundle "$work/bundle" "whereami-$$"
echo
echo "demo: done. The image is in .demo/image, its bundle in .demo/bundle."
