/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _GUNYAH_HVC_H
#define _GUNYAH_HVC_H

#include <linux/interrupt.h>
#include <linux/types.h>

struct device;

/* Repeated in ffi/hvc.rs. */
bool gunyah_is_there(void);
void gunyah_call(u32 number, const u64 args[4], u64 results[5]);
int gunyah_irq_request(struct device *dev, u32 number, irq_handler_t thread, void *cookie);
void gunyah_irq_free(unsigned int irq, void *cookie);

#endif /* _GUNYAH_HVC_H */
