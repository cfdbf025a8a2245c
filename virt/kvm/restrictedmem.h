/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_RESTRICTEDMEM_H__
#define __KVM_RESTRICTEDMEM_H__

#include <linux/kvm_host.h>
#include <linux/restrictedmem.h>

#ifdef CONFIG_KVM_RESTRICTEDMEM
int kvm_restrictedmem_prepare(struct kvm *kvm, struct kvm_memory_slot *slot,
			      struct file *file, uoff_t offset);
int kvm_restrictedmem_commit(struct kvm *kvm, struct kvm_memory_slot *slot);
void kvm_restrictedmem_unbind(struct kvm_memory_slot *slot);
void kvm_restrictedmem_destroy_vm(struct kvm *kvm);
int kvm_restrictedmem_get_pfn(struct kvm_memory_slot *slot, gfn_t gfn,
			      kvm_pfn_t *pfn, struct page **page, int *max_order);
#else
static inline int kvm_restrictedmem_prepare(struct kvm *kvm,
					    struct kvm_memory_slot *slot,
					    struct file *file, uoff_t offset)
{
	WARN_ON_ONCE(1);
	return -EIO;
}

static inline int kvm_restrictedmem_commit(struct kvm *kvm,
					   struct kvm_memory_slot *slot)
{
	WARN_ON_ONCE(1);
	return -EIO;
}

static inline void kvm_restrictedmem_unbind(struct kvm_memory_slot *slot)
{
	WARN_ON_ONCE(1);
}

static inline void kvm_restrictedmem_destroy_vm(struct kvm *kvm)
{
}

static inline int kvm_restrictedmem_get_pfn(struct kvm_memory_slot *slot,
					    gfn_t gfn, kvm_pfn_t *pfn,
					    struct page **page, int *max_order)
{
	WARN_ON_ONCE(1);
	return -EIO;
}
#endif /* CONFIG_KVM_RESTRICTEDMEM */

#endif /* __KVM_RESTRICTEDMEM_H__ */
