// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots that are backed by restricted memory, see memfd_restricted(2).
 *
 * KVM is a consumer of restricted memory like any other, through the interface
 * in include/linux/restrictedmem.h.  Each VM is one consumer, and each memslot
 * that was created with a restricted file in place of a guest_memfd is one
 * exclusive binding whose cookie is the memslot.
 *
 * Lifetime.  A memslot owns its binding and the binding owns a reference to the
 * file, so guest memory survives closing the file descriptor.  The opposite of
 * guest_memfd, where the file pins the VM: restricted memory may belong to
 * another VM tomorrow, and a file that is kept for it must not keep the VM of
 * today alive.  Hence no binding holds a reference to its VM either, callbacks
 * may run until the moment the VM has unbound everything on its way out, and
 * kvm_restrictedmem_destroy_vm() does that while a VM can still take them.
 *
 * Lock order:
 *
 *	kvm->slots_lock, slots_arch_lock	(bind, unbind)
 *	or kvm->srcu, read side			(get)
 *	  invalidate_lock of the file		(all of them, and callbacks)
 *	    kvm->mmu_lock			(callbacks)
 *
 * Bindings are made before a memslot becomes visible and removed after SRCU has
 * made sure that nobody can see it, so nothing here runs concurrently with the
 * removal of the binding that it uses, except callbacks, and removal waits for
 * those.
 */
#include <linux/file.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/pgtable.h>

#include "kvm_mm.h"
#include "restrictedmem.h"

/*
 * The largest block of memory that KVM maps in one piece.  tmpfs has no folios
 * above PMD_ORDER.  Whoever raises this raises it for both sides of the race
 * that kvm_restrictedmem_invalidate_start() describes.
 */
#define KVM_RESTRICTEDMEM_MAX_ORDER	PMD_ORDER

static struct kvm *kvm_restrictedmem_link_to_kvm(struct restrictedmem_link *link)
{
	return container_of(restrictedmem_link_consumer(link), struct kvm,
			    restrictedmem);
}

/*
 * KVM has nothing slow to do and never refuses, not even while it's dying: it
 * holds no references to guest memory outside of its page tables, so unmapping
 * is all it takes.  That's why there are neither invalidate_prepare() nor
 * invalidate_abort().
 */
static void kvm_restrictedmem_invalidate_start(struct restrictedmem_link *link,
					       pgoff_t start, pgoff_t end)
{
	struct kvm *kvm = kvm_restrictedmem_link_to_kvm(link);
	const gfn_t block = 1ULL << KVM_RESTRICTEDMEM_MAX_ORDER;
	struct restrictedmem_span span;
	bool flush = false;

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_start(kvm);

	restrictedmem_for_each_span(&span, link, start, end) {
		struct kvm_memory_slot *slot = restrictedmem_binding_cookie(span.binding);
		struct kvm_gfn_range range = {
			.start = slot->base_gfn + span.start - slot->gmem.pgoff,
			.end = slot->base_gfn + span.end - slot->gmem.pgoff,
			.slot = slot,
			.may_block = true,
			.attr_filter = kvm_memslot_is_gmem_only(slot) ?
				       KVM_FILTER_SHARED : KVM_FILTER_PRIVATE,
		};

		/*
		 * Make faults retry in everything that a large page around this
		 * span could map, not only in the span itself.  A vCPU that got
		 * its pfn and order before this invalidation, for a gfn beside
		 * the span but in the same folio, has yet to take mmu_lock, and
		 * would otherwise find neither its gfn in the range nor the
		 * sequence changed.  It would map the whole large page, and
		 * with it the memory that is about to go.  (With user memory,
		 * that's what re-reading the host's mapping level is for.)
		 */
		kvm_mmu_invalidate_range_add(kvm, round_down(range.start, block),
					     round_up(range.end, block));
		flush |= kvm_mmu_unmap_gfn_range(kvm, &range);
	}

	if (flush)
		kvm_flush_remote_tlbs(kvm);

	KVM_MMU_UNLOCK(kvm);

	/*
	 * Write back the caches of SEV and SEV-ES guests, which started as VMs
	 * of the default type and encrypt what they like.  Slow, thus without
	 * mmu_lock, and a nop for everybody else.
	 */
	kvm_arch_guest_memory_reclaimed(kvm);
}

static void kvm_restrictedmem_invalidate_end(struct restrictedmem_link *link,
					     pgoff_t start, pgoff_t end)
{
	struct kvm *kvm = kvm_restrictedmem_link_to_kvm(link);

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);
}

/*
 * Without error(): by the time it would run the poisoned page has been unmapped,
 * and the next access of the guest fails in kvm_restrictedmem_get_pfn() with
 * -EHWPOISON, which is how KVM_EXIT_MEMORY_FAULT reports memory errors.  What to
 * do about it is userspace's decision, as with guest_memfd.
 */
static const struct restrictedmem_ops kvm_restrictedmem_ops = {
	.owner			= THIS_MODULE,
	.name			= "kvm",
	.invalidate_start	= kvm_restrictedmem_invalidate_start,
	.invalidate_end		= kvm_restrictedmem_invalidate_end,
};

/**
 * kvm_arch_supports_restrictedmem() - can a VM have restricted memory?
 * @kvm: The VM, or NULL to ask if there is any type of VM that can.
 *
 * Architectures that say yes promise that they treat a pfn that they got from
 * kvm_gmem_get_pfn() as ordinary memory: the memory is given back without KVM
 * being asked to make it accessible to the host again.
 *
 * Return: True if so.
 */
bool __weak kvm_arch_supports_restrictedmem(struct kvm *kvm)
{
	return false;
}

/**
 * kvm_slot_misalignment() - how far is the memory of a slot off the gfns?
 * @slot: The memslot; its file, if it has one, is referenced.
 * @ugfn: Page number of its userspace address.
 *
 * Return: A value in which the low n bits are zero if and only if blocks of 2^n
 * pages can be mapped in one piece as far as alignment is concerned.
 */
gfn_t kvm_slot_misalignment(const struct kvm_memory_slot *slot,
			    unsigned long ugfn)
{
	gfn_t misalignment = slot->base_gfn ^ ugfn;

	/* Can't use slot->gmem.rmem, the binding doesn't exist yet. */
	if (!kvm_slot_has_gmem(slot) || !file_is_restrictedmem(slot->gmem.file))
		return misalignment;

	/* If all memory comes from the file the address doesn't matter... */
	if (kvm_memslot_is_gmem_only(slot))
		misalignment = 0;

	/*
	 * ... otherwise both have to be aligned: which of the two a gfn comes
	 * from changes at run time, whether it may be large doesn't.
	 */
	return misalignment | (slot->base_gfn ^ slot->gmem.pgoff);
}

/**
 * kvm_restrictedmem_prepare() - prepare a new memslot for its memory
 * @kvm: The VM.
 * @slot: The memslot.
 * @file: A restricted file, with a reference that is handed over.
 * @offset: Where the memory of the slot begins in it, page aligned.
 *
 * The binding has to wait for kvm_restrictedmem_commit(), as the memslot is
 * freed without further ado if preparing its other parts fails.
 *
 * Return: 0 or -EOPNOTSUPP.  On success the caller has a reference to
 * slot->gmem.file, to be dropped once the memslot is or failed to be installed.
 */
int kvm_restrictedmem_prepare(struct kvm *kvm, struct kvm_memory_slot *slot,
			      struct file *file, uoff_t offset)
{
	lockdep_assert_held(&kvm->slots_lock);

	if (!kvm_arch_supports_restrictedmem(kvm)) {
		fput(file);
		return -EOPNOTSUPP;
	}

	WRITE_ONCE(slot->gmem.file, file);
	slot->gmem.pgoff = offset >> PAGE_SHIFT;

	/*
	 * If the VM tells private from shared memory, then this is the private
	 * half of the slot.  If not, then there is no other half: nobody can
	 * have mapped this file at the slot's userspace address.
	 */
	if (!kvm_arch_has_private_mem(kvm))
		slot->flags |= KVM_MEMSLOT_GMEM_ONLY;

	return 0;
}

/**
 * kvm_restrictedmem_commit() - bind a new memslot to its memory
 * @kvm: The VM.
 * @slot: The memslot, from kvm_restrictedmem_prepare() and not visible yet.
 *
 * Context: Waits for whoever holds the file's invalidate_lock, interruptibly.
 * Return: 0 or an error of restrictedmem_bind(): -EEXIST if another memslot of
 * this VM has some of the memory, -EBUSY if somebody else has.
 */
int kvm_restrictedmem_commit(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	pgoff_t start = slot->gmem.pgoff;
	struct restrictedmem_binding *binding;

	lockdep_assert_held(&kvm->slots_lock);

	/* Don't write what others read, from the second binding on. */
	if (!kvm->restrictedmem.ops)
		kvm->restrictedmem.ops = &kvm_restrictedmem_ops;

	binding = restrictedmem_bind(slot->gmem.file, &kvm->restrictedmem, start,
				     start + slot->npages,
				     RESTRICTEDMEM_EXCLUSIVE, slot);
	if (IS_ERR(binding))
		return PTR_ERR(binding);

	slot->gmem.rmem = binding;
	return 0;
}

/**
 * kvm_restrictedmem_unbind() - take a memslot off its memory
 * @slot: The memslot, unreachable for vCPUs, with nothing of it mapped.
 *
 * The memory keeps its contents, for the next one who binds it.
 *
 * Context: Waits for callbacks on the same file, not interruptibly.
 */
void kvm_restrictedmem_unbind(struct kvm_memory_slot *slot)
{
	restrictedmem_unbind(slot->gmem.rmem);
	slot->gmem.rmem = NULL;

	/* That was the last reference to the file that the slot can count on. */
	WRITE_ONCE(slot->gmem.file, NULL);
}

/**
 * kvm_restrictedmem_destroy_vm() - unbind all memory of a dying VM
 * @kvm: The VM, without users.
 *
 * To be called when the MMU notifier is gone, since unregistering it unmaps all
 * guest memory, but before the first part of the VM is torn down that a callback
 * needs, such as its MMU and vCPUs.  Not unbinding before kvm_free_memslot()
 * would be too late for that; and a callback may come at any time before, since
 * others can punch holes into memory of this VM whenever they please.
 */
void kvm_restrictedmem_destroy_vm(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	int i, bkt;

	for (i = 0; i < kvm_arch_nr_memslot_as_ids(kvm); i++) {
		kvm_for_each_memslot(slot, bkt, __kvm_memslots(kvm, i)) {
			if (kvm_slot_is_restrictedmem(slot))
				kvm_restrictedmem_unbind(slot);
		}
	}
}

/**
 * kvm_restrictedmem_get_pfn() - kvm_gmem_get_pfn() for restricted memory
 * @slot: The memslot.
 * @gfn: A gfn in it.
 * @pfn: Its page frame.
 * @page: The page of @pfn, with a reference for the caller.
 * @max_order: The order at which it may be mapped, or NULL.
 *
 * restrictedmem_read_begin() and restrictedmem_read_retry() are not needed.  Who
 * maps the page sampled mmu_invalidate_seq before the call and checks it under
 * mmu_lock afterwards, and kvm_restrictedmem_invalidate_start() and _end() make
 * that fail for exactly those invalidations that a binding's sequence counts.
 *
 * Context: May sleep, interruptibly.
 * Return: 0 or an error of restrictedmem_get().
 */
int kvm_restrictedmem_get_pfn(struct kvm_memory_slot *slot, gfn_t gfn,
			      kvm_pfn_t *pfn, struct page **page, int *max_order)
{
	struct restrictedmem_page result;
	int r;

	r = restrictedmem_get(slot->gmem.rmem,
			      gfn - slot->base_gfn + slot->gmem.pgoff, &result);
	if (r)
		return r;

	*pfn = result.pfn;
	*page = pfn_to_page(result.pfn);

	/* KVM can't map, and warns about, orders between those of page tables. */
	if (max_order)
		*max_order = result.order >= KVM_RESTRICTEDMEM_MAX_ORDER ?
			     KVM_RESTRICTEDMEM_MAX_ORDER : 0;

	return 0;
}
