// SPDX-License-Identifier: GPL-2.0
/*
 * What of the way to the hypervisor is macros and inline functions: calls of it, and
 * the interrupts that it sends and no device tree lists.
 */
#include <linux/arm-smccc.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/irqdomain.h>
#include <linux/of.h>
#include <linux/of_irq.h>
#include <linux/uuid.h>

#include <dt-bindings/interrupt-controller/arm-gic.h>

#include "hvc.h"

static const uuid_t gunyah = UUID_INIT(0xc1d58fcd, 0xa453, 0x5fdb,
				       0x92, 0x65, 0xce, 0x36, 0x67, 0x3d, 0x5f, 0x14);

/* Set in the number of a service that is a call of the hypervisor. */
#define CALL	0x8000

/* How the interrupt controller counts */
#define FIRST_SPI	32
#define LAST_SPI	1019
#define FIRST_ESPI	4096
#define LAST_ESPI	5119

/**
 * gunyah_is_there() - find out what is below us
 *
 * The question goes where the device tree says that firmware is, and Gunyah catches SMC
 * as well as HVC. Under QEMU the device tree says SMC; who only believes in HVC finds no
 * Gunyah there. That it answers is what makes HVC safe.
 *
 * Return: Whether that is Gunyah, and can be called.
 */
bool gunyah_is_there(void)
{
	return arm_smccc_hypervisor_has_uuid(&gunyah);
}

/**
 * gunyah_call() - call the hypervisor
 * @number: Of the call.
 * @args: Its arguments.
 * @results: What it leaves in the registers.
 *
 * Context: Any, but some calls run a virtual processor until there is an interrupt.
 *          Nobody may call if gunyah_is_there() did not say so.
 */
void gunyah_call(u32 number, const u64 args[4], u64 results[5])
{
	struct arm_smccc_1_2_regs regs = {
		.a0 = ARM_SMCCC_CALL_VAL(ARM_SMCCC_FAST_CALL, ARM_SMCCC_SMC_64,
					 ARM_SMCCC_OWNER_VENDOR_HYP, CALL | number),
		.a1 = args[0],
		.a2 = args[1],
		.a3 = args[2],
		.a4 = args[3],
	};

	arm_smccc_1_2_hvc(&regs, &regs);
	results[0] = regs.a0;
	results[1] = regs.a1;
	results[2] = regs.a2;
	results[3] = regs.a3;
	results[4] = regs.a4;
}

/**
 * gunyah_irq_request() - hear an interrupt that the hypervisor made for us
 * @dev: Whose interrupts go to the same controller.
 * @number: What the controller calls the interrupt.
 * @thread: Called in a thread of its own.
 * @cookie: Passed to it.
 *
 * Context: May sleep.
 * Return: The interrupt, or a negative errno.
 */
int gunyah_irq_request(struct device *dev, u32 number, irq_handler_t thread, void *cookie)
{
	struct device_node *controller;
	struct irq_fwspec spec = { .param_count = 3 };
	unsigned int irq;
	int err;

	if (number >= FIRST_SPI && number <= LAST_SPI) {
		spec.param[0] = GIC_SPI;
		spec.param[1] = number - FIRST_SPI;
	} else if (number >= FIRST_ESPI && number <= LAST_ESPI) {
		spec.param[0] = GIC_ESPI;
		spec.param[1] = number - FIRST_ESPI;
	} else {
		return -EINVAL;
	}
	spec.param[2] = IRQ_TYPE_EDGE_RISING;

	controller = of_irq_find_parent(dev->of_node);
	if (!controller)
		return -ENODEV;
	spec.fwnode = of_fwnode_handle(controller);
	irq = irq_create_fwspec_mapping(&spec);
	of_node_put(controller);
	if (!irq)
		return -EINVAL;

	err = request_threaded_irq(irq, NULL, thread, IRQF_ONESHOT, "gunyah", cookie);
	if (err) {
		irq_dispose_mapping(irq);
		return err;
	}
	return irq;
}

/**
 * gunyah_irq_free() - hear an interrupt no more
 * @irq: What gunyah_irq_request() returned.
 * @cookie: What it was given.
 *
 * Context: May sleep, until nobody is told of it any more.
 */
void gunyah_irq_free(unsigned int irq, void *cookie)
{
	free_irq(irq, cookie);
	irq_dispose_mapping(irq);
}
