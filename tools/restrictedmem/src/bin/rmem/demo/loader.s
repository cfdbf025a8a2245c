// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// The loader. It runs from memory that we see and can change, copies the
// program into private memory, and jumps there. It is here because nobody
// outside can put anything into that memory.

    .pushsection .rodata.rmem_guest, "a", @progbits
    .balign 16
    .globl  rmem_loader
    .hidden rmem_loader
rmem_loader:
    cld
    mov     esi, {IMAGE}
    mov     edi, {PROGRAM}
    mov     ecx, {PROGRAM_LEN}
    rep movsb
    mov     eax, {PROGRAM}
    jmp     rax

    // Fails if it is longer.
    .org    rmem_loader + {LOADER_LEN}
    .popsection
