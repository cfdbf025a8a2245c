/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a machine of Gunyah is made of: a program for its processors, and a device tree
 * for the resource manager. The driver's model of the hypervisor runs the same program,
 * whatever is in the memory, so that what is tested here is also a test of the model.
 *
 * To be included after restrictedmem.h and load.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_MACHINE_PROGRAM_H
#define _SELFTESTS_RESTRICTEDMEM_MACHINE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "device_tree.h"

#define HAS 32			/* pages that a machine has: the first ones */
#define BASE 0x80000000
#define TREE 0x1000		/* the device tree: where it is in the memory */
#define TREE_SIZE 0x10000
#define MARK 0x1f000		/* a byte in the memory that the program counts in */

/* The program: reads here, and does what it reads or writes one more there. */
#define INPUT 0x10000000
#define OUTPUT 0x10000008
#define OFF 0
#define FAULT 1
#define SLEEP 2
#define SPIN 3
#define ON 4
#define SLEEP_ON 5

/* Where the machine sees its interrupt controller, which has no place of its own. */
#define GICD 0x3fff0000
#define GICR 0x3ffb0000

#define NOTHING 0x40000000	/* no memory, and not for us to answer for either */

#ifdef __aarch64__

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

extern const char machine_program[], machine_program_end[];

/*
 * Both processors enter at the first instruction, with translation off and interrupts
 * masked. To be woken it is enough that an interrupt is pending, once the interrupt
 * controller would deliver it.
 */
asm(".pushsection .rodata\n"
"	.balign	4\n"
"machine_program:\n"
"	ldr	x19, =" TEXT(INPUT) "\n"
"	ldr	x20, =" TEXT(BASE) " + " TEXT(MARK) "\n"
"again:	ldr	w1, [x19]\n"
"	ldrb	w2, [x20]\n"
"	add	w2, w2, #1\n"
"	strb	w2, [x20]\n"
"	cmp	w1, #" TEXT(OFF) "\n"
"	b.eq	off\n"
"	cmp	w1, #" TEXT(FAULT) "\n"
"	b.eq	fault\n"
"	cmp	w1, #" TEXT(SLEEP) "\n"
"	b.eq	sleep\n"
"	cmp	w1, #" TEXT(SPIN) "\n"
"	b.eq	.\n"
"	cmp	w1, #" TEXT(ON) "\n"
"	b.eq	on\n"
"	cmp	w1, #" TEXT(SLEEP_ON) "\n"
"	b.eq	sleep_on\n"
"	add	x1, x1, #1\n"
"	str	x1, [x19, #" TEXT(OUTPUT) " - " TEXT(INPUT) "]\n"
"	b	again\n"

"off:	ldr	w0, =0x84000008\n"		/* PSCI: SYSTEM_OFF */
"	hvc	#0\n"
"	b	.\n"

/* There are no instructions where exceptions go, which is an exception. */
"fault:	ldr	x0, =" TEXT(NOTHING) "\n"
"	msr	vbar_el1, x0\n"
"	isb\n"
"	udf	#0\n"

/* The timer of this processor interrupts after a sixteenth of a second. */
"sleep:	ldr	x0, =" TEXT(GICR) "\n"
"	str	wzr, [x0, #0x14]\n"		/* WAKER */
"1:	ldr	w1, [x0, #0x14]\n"
"	tbnz	w1, #2, 1b\n"			/* has not woken up */
"	add	x0, x0, #0x10000\n"
"	mov	w1, #-1\n"
"	str	w1, [x0, #0x80]\n"		/* IGROUPR0 */
"	mov	w1, #1 << 27\n"
"	str	w1, [x0, #0x100]\n"		/* ISENABLER0 */
"	ldr	x0, =" TEXT(GICD) "\n"
"	mov	w1, #0x12\n"			/* group 1, by affinity */
"	str	w1, [x0]\n"			/* CTLR */
"	mov	x0, #0xff\n"
"	msr	s3_0_c4_c6_0, x0\n"		/* ICC_PMR_EL1 */
"	mov	x0, #1\n"
"	msr	s3_0_c12_c12_7, x0\n"		/* ICC_IGRPEN1_EL1 */
"	isb\n"
"	mrs	x0, cntfrq_el0\n"
"	lsr	x0, x0, #4\n"
"	msr	cntv_tval_el0, x0\n"
"	mov	x0, #1\n"
"	msr	cntv_ctl_el0, x0\n"
"	isb\n"
"2:	wfi\n"
"	mrs	x0, cntv_ctl_el0\n"
"	tbz	x0, #2, 2b\n"			/* not yet */
"	msr	cntv_ctl_el0, xzr\n"
"	b	again\n"

"on:	ldr	x0, =0xc4000003\n"		/* PSCI: CPU_ON */
"	mov	x1, #1\n"
"	adr	x2, machine_program\n"
"	mov	x3, #0\n"
"	hvc	#0\n"
"	b	again\n"

"sleep_on:\n"
"	wfi\n"
"	b	sleep_on\n"
"	.ltorg\n"
"machine_program_end:\n"
"	.popsection\n");

static inline size_t write_program(void *page)
{
	size_t size = machine_program_end - machine_program;

	memcpy(page, machine_program, size);
	return size;
}

#else

/* Nothing here has instructions for another processor. */
static inline size_t write_program(void *page)
{
	return 0;
}

#endif

/* What the resource manager and the program want to know; @size is that of the memory. */
static inline void write_tree(void *room, uint64_t size)
{
	struct tree tree = new_tree(room, TREE_SIZE);
	char cpu[] = "cpu@0";

	begin_node(&tree, "");
	CELLS(&tree, "#address-cells", 2);
	CELLS(&tree, "#size-cells", 2);
	CELLS(&tree, "interrupt-parent", 1);

	/* First: the resource manager takes sizes of cells from the first of all siblings. */
	begin_node(&tree, "gunyah-vm-config");
	words(&tree, "image-name", "selftest");
	words(&tree, "os-type", "linux");
	CELLS(&tree, "#address-cells", 2);
	CELLS(&tree, "#size-cells", 2);
	begin_node(&tree, "memory");
	CELLS(&tree, "base-address", 0, BASE);
	CELLS(&tree, "size-min", size >> 32, size);
	end_node(&tree);
	begin_node(&tree, "interrupts");
	words(&tree, "config", "/intc");
	end_node(&tree);
	begin_node(&tree, "vcpus");
	words(&tree, "config", "/cpus");
	words(&tree, "affinity", "proxy");
	end_node(&tree);
	begin_node(&tree, "vdevices");
	words(&tree, "generate", "/hypervisor");
	end_node(&tree);
	end_node(&tree);

	/* The resource manager writes into it. */
	begin_node(&tree, "chosen");
	end_node(&tree);

	begin_node(&tree, "cpus");
	CELLS(&tree, "#address-cells", 1);
	CELLS(&tree, "#size-cells", 0);
	for (unsigned int id = 0; id < 2; id++) {
		cpu[4] = '0' + id;
		begin_node(&tree, cpu);
		words(&tree, "device_type", "cpu");
		words(&tree, "compatible", "arm,armv8");
		words(&tree, "enable-method", "psci");
		CELLS(&tree, "reg", id);
		end_node(&tree);
	}
	end_node(&tree);

	begin_node(&tree, "psci");
	words(&tree, "compatible", "arm,psci-1.0");
	words(&tree, "method", "hvc");
	end_node(&tree);

	begin_node(&tree, "intc");
	words(&tree, "compatible", "arm,gic-v3");
	CELLS(&tree, "#interrupt-cells", 3);
	CELLS(&tree, "#address-cells", 2);
	CELLS(&tree, "#size-cells", 2);
	CELLS(&tree, "phandle", 1);
	CELLS(&tree, "reg", 0, GICD, 0, 0x10000, 0, GICR, 0, 0x40000);
	CELLS(&tree, "interrupt-controller");
	end_node(&tree);

	end_node(&tree);
	finish_tree(&tree);
}

/* Loads all that a machine needs into the first pages of a file: 0 or -1. */
static inline int load_machine(int fd)
{
	static char image[TREE + TREE_SIZE];
	long loaded;

	if (!write_program(image))
		return 0;
	write_tree(image + TREE, HAS * page_size());
	return load_pages(fd, 0, sizeof(image) / page_size(), image, &loaded);
}

#endif /* _SELFTESTS_RESTRICTEDMEM_MACHINE_PROGRAM_H */
