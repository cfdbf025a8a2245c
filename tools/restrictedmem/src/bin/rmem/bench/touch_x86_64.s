// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// Writes a word to each page: rdi is the first address, rcx says how many, rdx
// is the step. Then it leaves the machine. 64-bit mode, no stack.

    .pushsection .rodata.rmem_bench, "a", @progbits
    .balign 16
    .globl  rmem_touch
    .hidden rmem_touch
rmem_touch:
    mov     [rdi], rdi
    add     rdi, rdx
    dec     rcx
    jnz     rmem_touch
    out     {PORT_DONE}, eax

    // Fails if it is longer.
    .org    rmem_touch + {TOUCH_LEN}
    .popsection
