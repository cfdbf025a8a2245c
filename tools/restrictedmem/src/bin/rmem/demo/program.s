// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// The program of the machine. All of it, its stack and its page tables lie in
// private memory. It takes commands over I/O ports and keeps a secret of which
// it tells the SHA-256 digest only.
//
// 64-bit mode, interrupts off, addresses are physical ones. It reaches its own
// code and constants relative to rip, everything else by address.
//
// The hypervisor cannot read private memory either, so nothing here may need
// an instruction emulated: no access to devices in memory, no hlt, no cpuid.
// Plain in and out leave the machine with all that has to be known.

    .pushsection .rodata.rmem_guest, "a", @progbits
    .balign 16
    .globl  rmem_program
    .hidden rmem_program
rmem_program:
    cld

    // Page tables of its own: up to here we ran on tables that others can
    // write to. A second machine starts on them, and writes the same again.
    mov     ebx, {TABLES}
    lea     eax, [rbx + 0x1000 + 3]             // present, writable
    mov     [rbx], rax
    lea     eax, [rbx + 0x2000 + 3]
    mov     [rbx + 0x1000], rax
    mov     eax, {SHARED} + 0x83                // and large: 2 MiB each
    mov     [rbx + 0x2000], rax
    mov     eax, {PRIVATE} + 0x83
    mov     [rbx + 0x2008], rax
    mov     cr3, rbx
    mov     esp, {STACK_TOP}

.Lnext_command:
    in      eax, {PORT_COMMAND}
    mov     ebx, eax
    in      eax, {PORT_ARGUMENT}
    lea     rdx, [rip + .Lcommand_done]         // where a command returns to
    push    rdx
    cmp     ebx, {DRAW_SECRET}
    je      .Ldraw_secret
    cmp     ebx, {DIGEST_SECRET}
    je      .Ldigest_secret
    cmp     ebx, {WRITE_NOTE}
    je      .Lwrite_note
    cmp     ebx, {COUNT_PRIMES}
    je      .Lcount_primes
    cmp     ebx, {FILL_FIELD}
    je      .Lfill_field
    cmp     ebx, {COUNT_FIELD}
    je      .Lcount_field
    ret
.Lcommand_done:
    out     {PORT_DONE}, eax
    jmp     .Lnext_command

.Ldraw_secret:
    mov     edi, {SECRET}
    jmp     .Lrandom

.Ldigest_secret:
    mov     esi, {SECRET}
    jmp     .Lreport_digest

.Lwrite_note:
    mov     edi, {NOTE}
    call    .Lrandom
    mov     esi, {NOTE}
    jmp     .Lreport_digest

// Count the primes up to eax, by dividing.
.Lcount_primes:
    mov     esi, eax
    xor     ebx, ebx                            // how many
    mov     ecx, 2                              // is this one?
.Lprimes_candidate:
    cmp     ecx, esi
    ja      .Lprimes_done
    mov     edi, 2                              // the divisor
.Lprimes_divide:
    mov     eax, edi
    imul    eax, edi
    cmp     eax, ecx
    ja      .Lprimes_found                      // beyond the square root
    mov     eax, ecx
    xor     edx, edx
    div     edi
    test    edx, edx
    jz      .Lprimes_not
    inc     edi
    jmp     .Lprimes_divide
.Lprimes_found:
    inc     ebx
.Lprimes_not:
    inc     ecx
    jmp     .Lprimes_candidate
.Lprimes_done:
    mov     eax, ebx
    out     {PORT_RESULT}, eax
    ret

// Fill the field at offset eax.
.Lfill_field:
    lea     edi, [rax + {PRIVATE}]
    mov     ecx, {FIELD_LEN}
    mov     al, 0xa5
    rep stosb
    ret

// Count what is not zero in the field at offset eax.
.Lcount_field:
    lea     esi, [rax + {PRIVATE}]
    mov     ecx, {FIELD_LEN}
    xor     eax, eax
.Lcount_byte:
    cmp     byte ptr [rsi], 1                   // carry if it is zero
    sbb     eax, -1                             // + 1, or + 1 - 1
    inc     rsi
    dec     ecx
    jnz     .Lcount_byte
    out     {PORT_RESULT}, eax
    ret

// Write 32 random bytes to rdi; use rdrand if eax is not zero. The time stamp
// counter alone is no good source, but this is a demo. The bytes are a digest
// of what was drawn, and that is forgotten.
.Lrandom:
    push    rdi
    mov     ebp, eax
    mov     ebx, {SEED}
    xor     ecx, ecx
.Lrandom_word:
    rdtsc
    test    ebp, ebp
    jz      .Lrandom_store
.Lrandom_again:
    rdrand  edx
    jnc     .Lrandom_again
    xor     eax, edx
.Lrandom_store:
    mov     [rbx + rcx * 4], eax
    inc     ecx
    cmp     ecx, 8
    jb      .Lrandom_word
    mov     esi, {SEED}
    pop     rdi
    call    .Lsha256
    mov     edi, {SEED}
    mov     ecx, 8
    xor     eax, eax
    rep stosd
    ret

// Report the digest of the 32 bytes at rsi, eight words.
.Lreport_digest:
    mov     edi, {DIGEST}
    call    .Lsha256
    mov     esi, {DIGEST}
    mov     ecx, 8
.Lreport_word:
    lodsd
    out     {PORT_RESULT}, eax
    dec     ecx
    jnz     .Lreport_word
    ret

// SHA-256 of the 32 bytes at rsi, to rdi (FIPS 180-4, one block). The eight
// working variables a to h live in r8d to r15d, the schedule W at rbx.
.Lsha256:
    push    rdi
    mov     ebx, {SCHEDULE}

    // The message, then a one bit, zeroes, and its length in bits.
    xor     ecx, ecx
.Lsha_message:
    mov     eax, [rsi + rcx * 4]
    bswap   eax
    mov     [rbx + rcx * 4], eax
    inc     ecx
    cmp     ecx, 8
    jb      .Lsha_message
    mov     dword ptr [rbx + 8 * 4], 0x80000000
    inc     ecx
.Lsha_zero:
    mov     dword ptr [rbx + rcx * 4], 0
    inc     ecx
    cmp     ecx, 15
    jb      .Lsha_zero
    mov     dword ptr [rbx + 15 * 4], 256
    inc     ecx

    // W[t] = s1(W[t - 2]) + W[t - 7] + s0(W[t - 15]) + W[t - 16]
.Lsha_extend:
    mov     eax, [rbx + rcx * 4 - 15 * 4]
    mov     edx, eax
    mov     esi, eax
    ror     edx, 7
    ror     esi, 18
    shr     eax, 3
    xor     edx, esi
    xor     edx, eax
    mov     eax, [rbx + rcx * 4 - 2 * 4]
    mov     edi, eax
    mov     esi, eax
    ror     edi, 17
    ror     esi, 19
    shr     eax, 10
    xor     edi, esi
    xor     edi, eax
    add     edx, edi
    add     edx, [rbx + rcx * 4 - 7 * 4]
    add     edx, [rbx + rcx * 4 - 16 * 4]
    mov     [rbx + rcx * 4], edx
    inc     ecx
    cmp     ecx, 64
    jb      .Lsha_extend

    lea     rsi, [rip + .Lsha_initial]
    mov     r8d, [rsi]
    mov     r9d, [rsi + 4]
    mov     r10d, [rsi + 8]
    mov     r11d, [rsi + 12]
    mov     r12d, [rsi + 16]
    mov     r13d, [rsi + 20]
    mov     r14d, [rsi + 24]
    mov     r15d, [rsi + 28]
    lea     rbp, [rip + .Lsha_constants]
    xor     ecx, ecx
.Lsha_round:
    // eax = T1 = h + S1(e) + Ch(e, f, g) + K[t] + W[t]
    mov     eax, r12d
    mov     edx, r12d
    mov     esi, r12d
    ror     eax, 6
    ror     edx, 11
    ror     esi, 25
    xor     eax, edx
    xor     eax, esi
    mov     edx, r13d
    xor     edx, r14d
    and     edx, r12d
    xor     edx, r14d
    add     eax, edx
    add     eax, r15d
    add     eax, [rbp + rcx * 4]
    add     eax, [rbx + rcx * 4]
    // edx = T2 = S0(a) + Maj(a, b, c)
    mov     edx, r8d
    mov     esi, r8d
    mov     edi, r8d
    ror     edx, 2
    ror     esi, 13
    ror     edi, 22
    xor     edx, esi
    xor     edx, edi
    mov     esi, r8d
    mov     edi, r8d
    or      esi, r9d
    and     edi, r9d
    and     esi, r10d
    or      esi, edi
    add     edx, esi
    // Everybody moves on by one.
    mov     r15d, r14d
    mov     r14d, r13d
    mov     r13d, r12d
    lea     r12d, [r11 + rax]
    mov     r11d, r10d
    mov     r10d, r9d
    mov     r9d, r8d
    lea     r8d, [rax + rdx]
    inc     ecx
    cmp     ecx, 64
    jb      .Lsha_round

    lea     rsi, [rip + .Lsha_initial]
    pop     rdi
    add     r8d, [rsi]
    add     r9d, [rsi + 4]
    add     r10d, [rsi + 8]
    add     r11d, [rsi + 12]
    add     r12d, [rsi + 16]
    add     r13d, [rsi + 20]
    add     r14d, [rsi + 24]
    add     r15d, [rsi + 28]
    bswap   r8d
    mov     [rdi], r8d
    bswap   r9d
    mov     [rdi + 4], r9d
    bswap   r10d
    mov     [rdi + 8], r10d
    bswap   r11d
    mov     [rdi + 12], r11d
    bswap   r12d
    mov     [rdi + 16], r12d
    bswap   r13d
    mov     [rdi + 20], r13d
    bswap   r14d
    mov     [rdi + 24], r14d
    bswap   r15d
    mov     [rdi + 28], r15d
    ret

    .balign 4
.Lsha_initial:
    .long   0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a
    .long   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
.Lsha_constants:
    .long   0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5
    .long   0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5
    .long   0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3
    .long   0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174
    .long   0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc
    .long   0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da
    .long   0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7
    .long   0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967
    .long   0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13
    .long   0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85
    .long   0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3
    .long   0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070
    .long   0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5
    .long   0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3
    .long   0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208
    .long   0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2

    // Fails if it is longer.
    .org    rmem_program + {PROGRAM_LEN}
    .popsection
