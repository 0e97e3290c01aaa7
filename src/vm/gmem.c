/* SPDX-License-Identifier: Apache-2.0 */
/* gmem.c - guest RAM, laid out around the PCI hole. */
#include "vm/gmem.h"

#include "base/fmt.h"
#include "host/host.h"

/* More than any host of ours has; keeps all sums far from overflow. */
#define GMEM_MAX (GiB(1024) * 16)

int gmem_init(struct gmem *m, u64 bytes, struct err *e)
{
	int err;

	*m = (struct gmem){ .fd = -1 };
	if (bytes % PAGE_SIZE || bytes < MiB(1) || bytes > GMEM_MAX)
		return err_set(e, -EINVAL,
			       "guest memory must be from 1 MiB to 16 TiB and "
			       "whole pages of 4 KiB, not %llu bytes",
			       (unsigned long long)bytes);
	err = host_ram_alloc(bytes, &m->ram, &m->fd);
	if (err)
		return err_set(e, err,
			       "the host has no address space for %llu MiB of "
			       "guest memory (error %d): choose less",
			       (unsigned long long)(bytes >> 20), -err);
	m->low_bytes = min_u64(bytes, GMEM_LOW_MAX);
	m->high_bytes = bytes - m->low_bytes;
	return 0;
}

void gmem_fini(struct gmem *m)
{
	host_ram_free(m->ram, gmem_bytes(m), m->fd);
	*m = (struct gmem){ .fd = -1 };
}

bool gmem_read(const struct gmem *m, gpa_t gpa, void *buf, u64 len)
{
	hva_t p = gmem_hva(m, gpa, len);

	if (!p)
		return false;
	copy_bytes(buf, p, len);
	return true;
}

bool gmem_write(struct gmem *m, gpa_t gpa, const void *buf, u64 len)
{
	hva_t p = gmem_hva(m, gpa, len);

	if (!p)
		return false;
	copy_bytes(p, buf, len);
	gmem_written(m, gpa, len);
	return true;
}
