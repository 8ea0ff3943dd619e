# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts in tools/: where things are, root or sudo, packages.
# Sourced, never run. Needs bash.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# An ordinary user's PATH has no sbin; ip, tcpdump and nginx live there.
PATH=$PATH:/usr/sbin:/sbin
# What is built here is run by other users in tests.
umask 022

say() {
	printf '\n== %s\n' "$*"
}

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		die "need root (or sudo) for: $*"
	fi
}

# apt-get that asks nothing, waits for another apt's lock, and whose packages
# do not start their servers: a test machine's ports are not ours to occupy.
policy=/usr/sbin/policy-rc.d
install() {
	if [ ! -e "$policy" ]; then
		trap 'as_root rm -f "$policy"' EXIT
		as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" &&
			chmod 755 "$1"' sh "$policy"
	fi
	# An unreachable list of somebody else's is no reason to give up.
	as_root apt-get update -qq || say "apt-get update failed; going on"
	as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
		apt-get install -y -qq --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Installs the packages that are missing; says which.
need_packages() {
	local missing=() p log
	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
			grep -q 'install ok installed' || missing+=("$p")
	done
	[ "${#missing[@]}" -eq 0 ] && return 0
	say "installing Debian packages: ${missing[*]}"
	log=$(mktemp)
	# A subshell: its exit takes the policy away, whatever happens.
	if ! (install "${missing[@]}") </dev/null >"$log" 2>&1; then
		tail -n 40 "$log"
		rm -f "$log"
		die "could not install: ${missing[*]}"
	fi
	rm -f "$log"
}

# What building needs.
packages_build=(gcc libc6-dev meson ninja-build pkg-config libseccomp-dev
	libjson-c-dev liburing-dev libsodium-dev libcriterion-dev libprotobuf-c-dev
	protobuf-c-compiler python3-minimal)
# What the demonstration needs besides.
packages_demo=(curl nginx-light tcpdump iproute2 python3-minimal)
# What the tests need besides: the real programs they run.
packages_test=(python3 wget wrk redis-server redis-tools iperf3 openssh-server
	openssh-client socat ncat bind9-dnsutils iputils-ping golang-go nodejs
	musl-tools procps util-linux clang-tidy clang-format cppcheck git binutils
	libclang-rt-14-dev nftables libpython3.11-testsuite)
# What tools/bench runs, and what it compares with.
packages_bench=(python3 wrk redis-server redis-tools iperf3 procps util-linux)
packages_compared=(runsc slirp4netns)

# build DIR [meson options]: configures, builds, quietly unless it fails. An
# existing folder is configured again: its tests are found by listing folders.
build() {
	local dir=$1 again=() log
	shift
	need_packages "${packages_build[@]}"
	say "building in $dir"
	[ ! -f "$top/$dir/build.ninja" ] || again=(--reconfigure)
	log=$(mktemp)
	meson setup "${again[@]}" "$top/$dir" "$top" "$@" >"$log" 2>&1 ||
		{ cat "$log"; rm -f "$log"; die "meson failed"; }
	mv "$log" "$top/$dir/setup.log"
	ninja -C "$top/$dir" >"$top/$dir/ninja.log" 2>&1 ||
		{ tail -n 40 "$top/$dir/ninja.log"; die "the build failed"; }
}
