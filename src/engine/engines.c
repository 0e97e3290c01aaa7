/* SPDX-License-Identifier: Apache-2.0 */
/* engines.c - the table of engines. */
#include "engine/engines.h"

#include "base/string.h"

extern const struct engine_ops translate_ops;

/* In the order in which "auto" tries them. */
static const struct {
	const char *name; /* as on the command line */
	const struct engine_ops *ops;
} engine_tab[] = {
	{ "soft", &translate_ops },
};

int engine_choose(const char *name, const struct engine_ops **ops,
		  struct err *e)
{
	bool any = str_equal(name, "auto");
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(engine_tab); i++) {
		if (!any && !str_equal(name, engine_tab[i].name))
			continue;
		*ops = engine_tab[i].ops;
		/* The last one's reason is the one told. */
		*e = (struct err){ "" };
		r = (*ops)->probe(e);
		if (!r)
			return 0;
	}
	return err_set(e, r, "there is no engine '%s'", name);
}
