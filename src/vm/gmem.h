/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gmem.h - guest physical memory: RAM in at most two runs (below and above
 * the PCI hole), everything else belongs to the MMIO bus.
 *
 * RAM lies in one host mapping: guest address g below low_bytes is at
 * ram + g, and one at or above 4 GiB at ram + low_bytes + (g - 4 GiB).
 */
#ifndef DOPPEL_VM_GMEM_H
#define DOPPEL_VM_GMEM_H

#include "base/base.h"
#include "base/err.h"

#define GMEM_LOW_MAX GiB(3) /* the PCI hole begins at 3 GiB at the latest */
#define GMEM_HIGH_BASE GiB(4)

struct gmem {
	hva_t ram;
	u64 low_bytes, high_bytes;
	int fd;
	/*
	 * Told after anybody but the engine itself has written guest RAM, so
	 * that stale translations go and pages count as dirty. Set by the
	 * engine; may be called from any thread.
	 */
	void (*written)(void *ctx, gpa_t gpa, u64 len);
	void *written_ctx;
};

/* @bytes: a multiple of 4 KiB, at least 1 MiB. */
int gmem_init(struct gmem *m, u64 bytes, struct err *e) MUST_CHECK;
void gmem_fini(struct gmem *m);

/* Host address of [@gpa, @gpa + @len), or NULL unless all of it is RAM and
 * contiguous here. GUEST: both may be anything. */
static inline hva_t gmem_hva(const struct gmem *m, gpa_t gpa, u64 len)
{
	if (likely(gpa < m->low_bytes))
		return len <= m->low_bytes - gpa ? m->ram + gpa : NULL;
	if (gpa >= GMEM_HIGH_BASE && gpa - GMEM_HIGH_BASE < m->high_bytes &&
	    len <= m->high_bytes - (gpa - GMEM_HIGH_BASE))
		return m->ram + m->low_bytes + (gpa - GMEM_HIGH_BASE);
	return NULL;
}

/* Index of a RAM page in arrays that run parallel to RAM. */
static inline u64 gmem_page_index(const struct gmem *m, gpa_t gpa)
{
	return (gpa < GMEM_HIGH_BASE ? gpa :
		gpa - GMEM_HIGH_BASE + m->low_bytes) >> PAGE_SHIFT;
}

static inline u64 gmem_bytes(const struct gmem *m)
{
	return m->low_bytes + m->high_bytes;
}

/* Copies; false (and nothing copied) unless all of it is RAM. */
bool gmem_read(const struct gmem *m, gpa_t gpa, void *buf, u64 len)
	MUST_CHECK;
bool gmem_write(struct gmem *m, gpa_t gpa, const void *buf, u64 len)
	MUST_CHECK;
/* To be called after writing through a pointer got from gmem_hva. */
static inline void gmem_written(struct gmem *m, gpa_t gpa, u64 len)
{
	if (m->written)
		m->written(m->written_ctx, gpa, len);
}

#endif
