/* SPDX-License-Identifier: Apache-2.0 */
/* engines.h - the engines that there are, and which one is meant by a name. */
#ifndef DOPPEL_ENGINE_ENGINES_H
#define DOPPEL_ENGINE_ENGINES_H

#include "vm/engine.h"

/*
 * The engine called @name, if it works on this host; "auto" is the first that
 * does. Else a negative errno and a sentence.
 */
int engine_choose(const char *name, const struct engine_ops **ops,
		  struct err *e) MUST_CHECK;

#endif
