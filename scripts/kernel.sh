#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh NAME: configure and build one of the kernels in /build/NAME.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

name=$1
out=/build/$name
arch=x86_64
options=()
configs=$repo/configs
unit=$repo/mm/restrictedmem/.kunitconfig
gunyah=$repo/drivers/virt/gunyah/.kunitconfig
case $name in
x86_64) fragments=("$configs/x86_64.config") targets=(bzImage modules) steps=1350 ;;
debug) fragments=("$configs/x86_64.config" "$configs/debug.config" "$unit" "$gunyah") targets=(bzImage modules) steps=1650 ;;
arm64) fragments=("$configs/arm64.config" "$unit" "$gunyah") targets=(Image modules) steps=1450 arch=arm64 ;;
kcsan) fragments=("$configs/kcsan.config") targets=(bzImage modules) steps=1550 ;;
uml | native)
	# User-mode Linux uses the large code model, for which clang has data sections of its
	# own. Its linker script does not know them, so lockdep takes static data for dynamic.
	options=(KCFLAGS='-mlarge-data-threshold=2147483647 -Wno-unused-command-line-argument')
	fragments=("$configs/$name.config") targets=(linux) steps=950 arch=um
	[ "$name" = native ] || fragments+=("$unit" "$gunyah") ;;
clippy) fragments=("$configs/x86_64.config" "$unit" "$gunyah") targets=(mm/restrictedmem/ drivers/virt/gunyah/) steps=150 options=(CLIPPY=1) ;;
variant-*)
	variant=${name#variant-}
	fragments=("$configs/x86_64.config" "$configs/variants/${variant%-pristine}.config")
	targets=(mm/ arch/x86/kvm/) steps=450
	case $variant in
	# Linked, as something could be missing: what others call of the core where there
	# is none, and what KVM wants of it as a module.
	off | kvm-module) targets=(vmlinux modules) steps=2000 ;;
	no-rust) targets=(kernel/ mm/ arch/x86/kvm/) steps=650 ;;
	off-pristine) targets=(arch/x86/kvm/) steps=350 ;;
	esac ;;
*) die "there is no kernel $name" ;;
esac

# Nothing of the place, the time or the git tree goes into the objects.
export KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=memfd KBUILD_BUILD_HOST=restricted
kbuild() {
	make -C "$tree" O="$out" ARCH="$arch" LLVM="$llvm" LOCALVERSION= -j"$(nproc)" \
		CC="ccache clang$llvm" "${options[@]}" "$@"
}

configure() {
	mkdir -p "$out"
	cat "${fragments[@]}" > "$out/fragment"
	kbuild KCONFIG_ALLCONFIG="$out/fragment" KCONFIG_CONFIG=.config.new allnoconfig
	lost=$(lost_options "$out/fragment" "$out/.config.new")
	[ -z "$lost" ] || {
		echo "the kernel's configuration did not take (a dependency is missing, or the name is wrong):"
		echo "$lost"
		return 1
	}
	cmp -s "$out/.config.new" "$out/.config" || mv "$out/.config.new" "$out/.config"
}

# lost_options FRAGMENT CONFIG: the options that FRAGMENT wants otherwise than CONFIG has them.
lost_options() {
	awk '
		/^CONFIG_[A-Z0-9_]*=/ { name = $0; sub(/=.*/, "", name); value = $0; sub(/^[^=]*=/, "", value) }
		/^# CONFIG_[A-Z0-9_]* is not set/ { name = $2; value = "n" }
		name == "" { next }
		FNR == NR { want[name] = value }
		FNR != NR { have[name] = value }
		{ name = "" }
		END {
			for (name in want) {
				is = name in have ? have[name] : "n"
				if (is != want[name])
					print name "=" want[name] " (is " is ")"
			}
		}
	' "$1" "$2"
}

inputs=$(cat "${fragments[@]}" "$0" | sha256sum; git -C "$tree" ls-files -s '*Kconfig*' | sha256sum)
if ! fresh "$out/configured" "$inputs"; then
	[ -e "$out/.config" ] || need_space 4 "$work"
	steps='' step "config-$name" "configure kernel: $name" configure
	stamp "$out/configured" "$inputs"
fi

# Where nothing changed even kbuild takes some seconds to find that out.
inputs=$(git -C "$tree" rev-parse "HEAD^{tree}"; echo "$inputs ${targets[*]}")
if ! fresh "$out/built" "$inputs"; then
	step "kernel-$name" "build kernel: $name" kbuild "${targets[@]}"
	stamp "$out/built" "$inputs"
fi
