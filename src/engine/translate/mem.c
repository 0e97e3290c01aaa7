/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c - guest memory from C, and what generated code does when the TLB does
 * not serve an access: fill it, or lead the access to a bounce buffer.
 *
 * The bounce buffer makes every instruction work on devices, across pages and
 * on code pages without a second implementation of it: the operand is read
 * into the buffer, the instruction itself runs there, and what it wrote is
 * written back by mem_commit(), after all permissions were checked. The
 * buffer keeps the address modulo 64, so alignment checks still hold.
 */
#include "base/fmt.h"
#include "base/trace.h"
#include "engine/translate/debug.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"

static u8 *tlb_hit(const struct tcpu *t, enum mmu_index mmu, gva_t va,
		   unsigned len, unsigned acc)
{
	const struct tlb *tlb = &t->tlb[mmu];
	unsigned i = (va >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
	u64 tag = acc & X86_ACC_WRITE ? tlb->write_tag[i] : tlb->read_tag[i];

	if (va - tag <= PAGE_SIZE - len)
		return (u8 *)(uintptr_t)(tlb->host[i] + (va - tag));
	return NULL;
}

static u64 load(const void *p, unsigned n)
{
	u64 v = 0;

	copy_bytes(&v, p, n);
	return v;
}

/* Device memory: in naturally aligned pieces of at most 8 bytes. */
static unsigned piece(gpa_t gpa, unsigned len)
{
	unsigned n = 8;

	while (n > len || (gpa & (n - 1)))
		n /= 2;
	return n;
}

static void device_read(struct tcpu *t, gpa_t gpa, u8 *buf, unsigned len)
{
	world_enter(t);
	for (unsigned n; len; gpa += n, buf += n, len -= n) {
		u64 v;

		n = piece(gpa, len);
		v = vm_mmio_read(&t->v, gpa, n);
		copy_bytes(buf, &v, n);
	}
	t->stats.mmio++;
	world_leave(t);
}

static void device_write(struct tcpu *t, gpa_t gpa, const u8 *buf,
			 unsigned len)
{
	world_enter(t);
	for (unsigned n; len; gpa += n, buf += n, len -= n) {
		n = piece(gpa, len);
		vm_mmio_write(&t->v, gpa, load(buf, n), n);
	}
	t->stats.mmio++;
	world_leave(t);
}

/* How many of @len bytes at @va lie on its page. */
static unsigned on_page(gva_t va, unsigned len)
{
	return (unsigned)min_u64(len, PAGE_SIZE - (va & ~PAGE_MASK));
}

/* 32-bit and 16-bit code wraps at 4 GiB. */
static gva_t wrap(const struct tcpu *t, gva_t va)
{
	return x86_is_64bit(&t->v.x86) ? va : (u32)va;
}

int mem_read(struct tcpu *t, gva_t va, void *buf, unsigned len, unsigned acc,
	     struct x86_fault *f)
{
	enum mmu_index mmu = mmu_now(t, acc);
	u8 *to = buf;

	for (unsigned n; len; va = wrap(t, va + n), to += n, len -= n) {
		u8 *p = tlb_hit(t, mmu, va, n = on_page(va, len), X86_ACC_READ);
		gpa_t gpa;
		int rc;

		if (!p) {
			rc = tlb_fill(t, mmu, va, acc | X86_ACC_READ, &gpa, f);
			if (rc < 0)
				return -1;
			if (unlikely(t->debug.data))
				debug_access(t, va, n, X86_ACC_READ);
			if (rc > 0) {
				device_read(t, gpa, to, n);
				continue;
			}
			p = gmem_hva(&t->e->vm->mem, gpa, n);
		}
		copy_bytes(to, p, n);
	}
	return 0;
}

int mem_probe(struct tcpu *t, gva_t va, unsigned len, unsigned acc,
	      struct x86_fault *f)
{
	enum mmu_index mmu = mmu_now(t, acc);
	gpa_t gpa;

	for (unsigned n; len; va = wrap(t, va + n), len -= n) {
		n = on_page(va, len);
		if (!tlb_hit(t, mmu, va, n, acc) &&
		    tlb_fill(t, mmu, va, acc, &gpa, f) < 0)
			return -1;
	}
	return 0;
}

int mem_write(struct tcpu *t, gva_t va, const void *buf, unsigned len,
	      unsigned acc, struct x86_fault *f)
{
	enum mmu_index mmu = mmu_now(t, acc);
	const u8 *from = buf;

	/* Nothing may be written if a later part faults. */
	if (on_page(va, len) != len &&
	    mem_probe(t, va, len, acc | X86_ACC_WRITE, f))
		return -1;
	for (unsigned n; len; va = wrap(t, va + n), from += n, len -= n) {
		u8 *p = tlb_hit(t, mmu, va, n = on_page(va, len),
				X86_ACC_WRITE);
		gpa_t gpa;
		int rc;

		if (p) {
			copy_bytes(p, from, n);
			continue;
		}
		rc = tlb_fill(t, mmu, va, acc | X86_ACC_WRITE, &gpa, f);
		if (rc < 0)
			return -1;
		if (unlikely(t->debug.data))
			debug_access(t, va, n, X86_ACC_WRITE);
		if (rc > 0) {
			device_write(t, gpa, from, n);
			continue;
		}
		p = gmem_hva(&t->e->vm->mem, gpa, n);
		copy_bytes(p, from, n);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (unlikely(smc_is_code(t->e, gpa))) {
			t->stats.code_writes++;
			if (smc_written(t->e, gpa, n))
				t->leave_after = 1;
		}
	}
	return 0;
}

u8 *mem_run(struct tcpu *t, gva_t va, unsigned acc, bool *fault,
	    struct x86_fault *f)
{
	enum mmu_index mmu = mmu_now(t, acc);
	u8 *p = tlb_hit(t, mmu, va, 1, acc);
	gpa_t gpa;
	int rc;

	*fault = false;
	if (p)
		return p;
	rc = tlb_fill(t, mmu, va, acc, &gpa, f);
	if (rc < 0)
		*fault = true;
	return rc ? NULL : tlb_hit(t, mmu, va, 1, acc);
}

/* An access that stays on one page, to be made in place. */
static u8 *miss_simple(struct tcpu *t, enum mmu_index mmu, gva_t va,
		       unsigned size, unsigned acc, struct x86_fault *f,
		       bool *fault)
{
	gpa_t gpa;
	int rc;

	if (on_page(va, size) != size)
		return NULL;
	rc = tlb_fill(t, mmu, va, acc, &gpa, f);
	if (rc < 0)
		*fault = true;
	if (rc || ((acc & X86_ACC_WRITE) && smc_is_code(t->e, gpa)))
		return NULL;
	if (unlikely(t->debug.data))
		debug_access(t, va, size, acc);
	return gmem_hva(&t->e->vm->mem, gpa, size);
}

static unsigned miss_acc(u32 desc)
{
	return (desc & MISS_WRITE ? X86_ACC_WRITE : 0) |
	       (desc & MISS_READ ? X86_ACC_READ : 0) |
	       acc_of_mmu(miss_mmu(desc));
}

u64 mem_miss(struct tcpu *t, gva_t va, u32 desc, u64 *ret)
{
	enum mmu_index mmu = miss_mmu(desc);
	unsigned size = desc & MISS_SIZE;
	unsigned insn = (desc >> MISS_INSN_SHIFT) & 0xff;
	const u8 *pc = (const u8 *)(uintptr_t)*ret;
	unsigned acc = miss_acc(desc);
	struct x86_fault f;
	bool fault = false;
	u8 *p = NULL, *b;

	if (unlikely(t->debug.data) && debug_defer(t, va, size)) {
		fault_locate(t, pc, insn);
		return 0;
	}
	/* Where the page is there, the processor itself checks. */
	if ((desc & MISS_ALIGNED) && (va & (size - 1))) {
		x86_gp(&f);
		fault = true;
	} else {
		p = miss_simple(t, mmu, va, size, acc, &f, &fault);
	}
	if (p)
		return (u64)(uintptr_t)p;
	if (unlikely(desc & MISS_LOCKED) && !fault && !t->exclusive_once) {
		fault_locate(t, pc, insn);
		run_exclusive_once(t);
		return 0;
	}
	t->stats.bounces++;
	b = t->bounce + (va & 63);
	if (!fault && (acc & X86_ACC_WRITE) &&
	    mem_probe(t, va, size, acc, &f))
		fault = true;
	/* A plain store shows the old bytes to nobody, and reading a device
	 * for it would be seen. */
	if (!fault && (acc & X86_ACC_READ) &&
	    mem_read(t, va, b, size, acc & X86_ACC_USER, &f))
		fault = true;
	if (fault) {
		if ((desc & MISS_STACK) && f.vector == X86_GP &&
		    !(x86_is_canonical(va) &&
		      x86_is_canonical(va + size - 1)))
			f.vector = X86_SSEG;
		fault_in_block(t, pc, insn, &f);
		return 0;
	}
	if (acc & X86_ACC_WRITE) {
		t->bounce_gva = va;
		t->bounce_bytes = size;
		t->bounce_at = va & 63;
		t->bounce_user = mmu == MMU_USER;
		/* Over the jump back, to the copy that commits. */
		*ret += 5;
	}
	return (u64)(uintptr_t)b;
}

/*
 * After the instruction has run on the bounce buffer. Returns 0 to go on
 * behind it, or where to go on elsewhere: the write hit translated code,
 * maybe the running block's. @next: offset of the next instruction.
 */
u64 mem_commit(struct tcpu *t, s32 next)
{
	unsigned acc = t->bounce_user ? X86_ACC_USER : 0;
	struct x86_fault f;

	t->leave_after = 0;
	/* Permission was checked in mem_miss; this cannot fault any more. */
	(void)mem_write(t, t->bounce_gva, t->bounce + t->bounce_at,
			t->bounce_bytes, acc, &f);
	if (!t->leave_after || next == COMMIT_STAY)
		return 0;
	t->leave_after = 0;
	t->v.x86.rip = t->code_base + (u64)(s64)next;
	if (!(t->key & KEY_CODE64))
		t->v.x86.rip = (u32)t->v.x86.rip;
	if (t->key & KEY_ALONE)
		debug_after_native(t);
	return run_next(t);
}
