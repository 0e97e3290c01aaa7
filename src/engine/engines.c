/* SPDX-License-Identifier: Apache-2.0 */
/* engines.c - the table of engines, best first. */
#include "engine/engines.h"

extern const struct engine_ops translate_engine;

static const struct {
	const char *choice;
	const struct engine_ops *ops;
} engine_tab[] = {
	{ "soft", &translate_engine },
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const struct engine_ops *engine_choose(const char *name, struct err *e)
{
	bool any = same(name, "auto"), known = any;

	for (unsigned i = 0; i < ARRAY_SIZE(engine_tab); i++) {
		if (!any && !same(name, engine_tab[i].choice))
			continue;
		known = true;
		if (engine_tab[i].ops->probe(e) == 0)
			return engine_tab[i].ops;
	}
	if (!known)
		err_set(e, -EINVAL, "there is no engine '%s'; choose auto or "
			"soft", name);
	return NULL;
}
