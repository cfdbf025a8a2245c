// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// Asks for numbers and says the next one, each a read or write where nothing is.

    .pushsection .rodata.rmem_gunyah, "a", %progbits
    .balign 16
    .globl  rmem_gunyah
    .hidden rmem_gunyah
rmem_gunyah:
    mov     x0, #0x10000000
1:  ldr     w1, [x0]
    add     x1, x1, #1
    str     x1, [x0, #8]
    b       1b

    // Fails if it is longer.
    .org    rmem_gunyah + {PROGRAM_LEN}
    .popsection
