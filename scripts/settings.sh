# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What is fixed by choice. Sourced by lib.sh.

# The toolchain: a Debian release whose rustc, bindgen and clang the kernel accepts.
suite=trixie
llvm=-19

# The kernel: a Debian source package of this suite, the exact version if it is
# still there, else the newest one of the same series.
source_suite=trixie-backports
source_series=7.3
source_pinned=7.3.4-1~bpo13+1

# The number of the system call on every architecture with the common numbers.
# The hunks in patches/ carry it too; "make test-checks" compares.
syscall_name=memfd_restricted
syscall_nr=473

# Top folders of this repository that mirror the kernel tree. Everything below
# them goes into the kernel tree, in the commit that patches/series names.
overlay=(Documentation arch drivers fs include kernel lib mm rust samples tools virt)
