// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// Writes a word to each page: x0 is the first address, x1 says how many, x2
// is the step. Then it leaves the machine by a write to x3, where nothing is.

    .pushsection .rodata.rmem_bench, "a", %progbits
    .balign 16
    .globl  rmem_touch
    .hidden rmem_touch
rmem_touch:
    // When it comes back KVM steps over the instruction that left, or this one
    // if it is to begin anew.
    nop
1:  str     x0, [x0]
    add     x0, x0, x2
    subs    x1, x1, #1
    b.ne    1b
    str     x0, [x3]

    // Fails if it is longer.
    .org    rmem_touch + {TOUCH_LEN}
    .popsection
