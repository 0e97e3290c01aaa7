/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate.c - the translator as an engine: its slots in struct engine_ops.
 */
#include "base/fmt.h"
#include "base/trace.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "engine/translate/run.h"
#include "engine/translate/trans.h"

static const struct stat_desc class_tab[] = {
#define X(id) { #id, "", 8 * X86_C_##id },
	X86_CLASSES(X)
#undef X
};

static const struct stat_desc stat_tab[] = {
#define X(id, help) STAT_DESC(struct tstats, id, help),
	TRANSLATE_STATS(X)
#undef X
};

/* Leaf 1 ECX: XSAVE by the operating system; 0x80000001 ECX: LAHF. */
static int translate_probe(struct err *e)
{
	struct x86_cpuid_regs r;

	host_cpuid(1, 0, &r);
	if (!(r.ecx & BIT(27)))
		return err_set(e, -ENOTSUP,
			       "this processor or kernel has no XSAVE, which "
			       "the translator needs");
	host_cpuid(0x80000001, 0, &r);
	if (!(r.ecx & BIT(0)))
		return err_set(e, -ENOTSUP,
			       "this processor has no LAHF in 64-bit mode, "
			       "which the translator needs");
	return 0;
}

/* What a shift by a constant leaves of flags that the manuals call undefined:
 * tried with all of them set and all clear. */
static bool shifts_overwrite(void)
{
	u64 seen[2][3];

	for (unsigned k = 0; k < 2; k++) {
		u64 in = k ? FLAG_ARITH | FLAG_FIXED : FLAG_FIXED;
		u64 v = 0x123456789abcdef5ull;

		__asm__ volatile("push %3; popf; shl $5, %4; pushf; pop %0\n\t"
				 "push %3; popf; shr $5, %4; pushf; pop %1\n\t"
				 "push %3; popf; sar $5, %4; pushf; pop %2"
				 : "=&r"(seen[k][0]), "=&r"(seen[k][1]),
				   "=&r"(seen[k][2])
				 : "r"(in), "r"(v)
				 : "cc", "memory");
	}
	for (unsigned i = 0; i < 3; i++)
		if ((seen[0][i] ^ seen[1][i]) & FLAG_ARITH)
			return false;
	return true;
}

/* AMD's processors before family 19h (Zen 3) have PEXT in microcode, which
 * takes hundreds of cycles. */
static bool has_fast_pext(void)
{
	struct x86_cpuid_regs r;
	u32 family;

	host_cpuid(0, 0, &r);
	if (r.eax < 7)
		return false;
	host_cpuid(7, 0, &r);
	if (!(r.ebx & BIT(8)))
		return false;
	host_cpuid(0, 0, &r);
	if (r.ebx != 0x68747541) /* "Auth" enticAMD */
		return true;
	host_cpuid(1, 0, &r);
	family = (r.eax >> 8 & 15) + (r.eax >> 20 & 0xff);
	return family >= 0x19;
}

static void translate_vm_fini(struct vm *vm)
{
	struct engine *e = vm->engine_vm;

	if (!e)
		return;
	fault_unregister(e);
	vm->mem.written = NULL;
	if (e->pages)
		for (u64 i = 0; i < gmem_bytes(&vm->mem) >> PAGE_SHIFT; i++)
			host_free(e->pages[i]);
	host_pages_free(e->pages, (gmem_bytes(&vm->mem) >> PAGE_SHIFT) *
					  sizeof(*e->pages));
	host_pages_free(e->code_id, (gmem_bytes(&vm->mem) >> PAGE_SHIFT) *
					    sizeof(*e->code_id));
	window_trap_free(e->trap);
	cache_fini(e);
	host_free(e->trans);
	host_pages_free(e, sizeof(*e));
	vm->engine_vm = NULL;
}

static int translate_vm_init(struct vm *vm, const struct engine_options *o,
			     struct err *err)
{
	struct engine *e = host_pages_alloc(sizeof(*e));
	int rc;

	if (!e)
		return err_set(err, -ENOMEM, "no memory for the translator");
	vm->engine_vm = e;
	e->vm = vm;
	list_init(&e->far);
	host_mutex_init(&e->lock);
	host_mutex_init(&e->exclusive_lock);
	list_init(&e->far_refused);
	if (o)
		e->options = *o;
	e->random = e->options.seed;
	e->pages = host_pages_alloc((gmem_bytes(&vm->mem) >> PAGE_SHIFT) *
				    sizeof(*e->pages));
	e->code_id = host_pages_alloc((gmem_bytes(&vm->mem) >> PAGE_SHIFT) *
				      sizeof(*e->code_id));
	e->trans = host_alloc(sizeof(*e->trans));
	rc = -ENOMEM;
	if (!e->pages || !e->code_id || !e->trans) {
		err_set(err, rc, "no memory for the translator's tables");
		goto fail;
	}
	e->fast_pext = has_fast_pext();
	e->smp = vm->cpu_total > 1;
	/* None, where the host limits address space, or if there would be too
	 * few for each vCPU: slower, that is all. */
	if (!e->options.no_windows && e->fast_pext &&
	    vm->cpu_total <= WINDOW_CPUS)
		e->trap = window_trap_new();
	rc = cache_init(e, err);
	if (rc)
		goto fail;
	rc = stubs_make(e);
	BUG_ON(rc);
	e->shifts_overwrite_flags = shifts_overwrite();
	fpu_know_host(e);
	rc = -EMFILE;
	if (!fault_register(e)) {
		err_set(err, rc, "too many machines in one process");
		goto fail;
	}
	rc = host_fault_install(fault_host);
	if (rc) {
		err_set(err, rc, "cannot install the signal handlers");
		goto fail;
	}
	vm->mem.written = smc_foreign;
	vm->mem.written_ctx = e;
	return 0;
fail:
	translate_vm_fini(vm);
	return rc;
}

static int cpu_read(void *ctx, gva_t lin, void *buf, unsigned len,
		    unsigned acc, struct x86_fault *f)
{
	return mem_read(ctx, lin, buf, len, acc, f);
}

static int cpu_write(void *ctx, gva_t lin, const void *buf, unsigned len,
		     unsigned acc, struct x86_fault *f)
{
	return mem_write(ctx, lin, buf, len, acc, f);
}

static int cpu_probe(void *ctx, gva_t lin, unsigned len, unsigned acc,
		     struct x86_fault *f)
{
	return mem_probe(ctx, lin, len, acc, f);
}

static bool cpu_read_phys(void *ctx, gpa_t gpa, void *buf, unsigned len)
{
	const struct tcpu *t = ctx;

	return gmem_read(&t->e->vm->mem, gpa, buf, len);
}

static int translate_vcpu_init(struct vcpu *v, struct err *err)
{
	struct tcpu *t = tcpu_of(v);

	t->self = t;
	t->jc_index_mask = (u64)(JC_ENTRIES - 1) << 2;
	t->tlb_index_mask = (u64)(TLB_ENTRIES - 1) << PAGE_SHIFT;
	t->e = v->vm->engine_vm;
	t->stale = true;
	t->parked = true;
	if (!shadow_init(t) || windows_init(t))
		return err_set(err, -ENOMEM, "no memory for a shadow stack");
	jc_init(t);
	ucode_init(t);
	t->mem = (struct x86_mem){ .read = cpu_read,
				   .write = cpu_write,
				   .probe = cpu_probe,
				   .read_phys = cpu_read_phys,
				   .ctx = t };
	t->stat_group = (struct stat_group){ .title = "translate",
					     .tab = stat_tab,
					     .count = ARRAY_SIZE(stat_tab),
					     .base = &t->stats };
	vm_add_stats(v->vm, &t->stat_group);
	t->class_group = (struct stat_group){
		.title = "instructions carried out in C, by class",
		.tab = class_tab,
		.count = ARRAY_SIZE(class_tab),
		.base = t->stats.callout_by_class,
	};
	vm_add_stats(v->vm, &t->class_group);
	return 0;
}

static void translate_vcpu_fini(struct vcpu *v)
{
	windows_fini(tcpu_of(v));
	shadow_fini(tcpu_of(v));
}

static void translate_kick(struct vcpu *v)
{
	tcpu_disturb(tcpu_of(v));
}

static void translate_state_changed(struct vcpu *v)
{
	tcpu_of(v)->stale = true;
}

static void translate_memory_changed(struct vm *vm, u64 gpa, u64 len)
{
	smc_foreign(vm->engine_vm, gpa, len);
}

static void translate_dump(struct vcpu *v)
{
	const struct x86_state *s = &v->x86;
	static const char *const name[16] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
	};
	char line[160];

	fmt_print(line, sizeof(line),
		  "vcpu %u: rip %x:%llx rflags %llx cr0 %llx cr2 %llx cr3 "
		  "%llx cr4 %llx efer %llx",
		  v->index, s->seg[X86_CS].sel, (unsigned long long)s->rip,
		  (unsigned long long)s->rflags, (unsigned long long)s->cr0,
		  (unsigned long long)s->cr2, (unsigned long long)s->cr3,
		  (unsigned long long)s->cr4, (unsigned long long)s->efer);
	host_log(HOST_LOG_INFO, line);
	for (unsigned r = 0; r < 16; r += 4) {
		fmt_print(line, sizeof(line),
			  "  %s %016llx  %s %016llx  %s %016llx  %s %016llx",
			  name[r], (unsigned long long)s->gpr[r], name[r + 1],
			  (unsigned long long)s->gpr[r + 1], name[r + 2],
			  (unsigned long long)s->gpr[r + 2], name[r + 3],
			  (unsigned long long)s->gpr[r + 3]);
		host_log(HOST_LOG_INFO, line);
	}
}

const struct engine_ops translate_ops = {
	.name = "translate",
	.max_cpus = VM_MAX_CPUS,
	.probe = translate_probe,
	.vm_init = translate_vm_init,
	.vm_fini = translate_vm_fini,
	.vcpu_bytes = sizeof(struct tcpu),
	.vcpu_init = translate_vcpu_init,
	.vcpu_fini = translate_vcpu_fini,
	.run = translate_run,
	.kick = translate_kick,
	.state_changed = translate_state_changed,
	.memory_changed = translate_memory_changed,
	.dump = translate_dump,
};
