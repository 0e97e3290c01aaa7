/* SPDX-License-Identifier: Apache-2.0 */
/* engines.h - which engines there are, and the choice among them. */
#ifndef DOPPEL_ENGINE_ENGINES_H
#define DOPPEL_ENGINE_ENGINES_H

#include "vm/engine.h"

/*
 * The engine for @name: "soft" or "auto" (the best that this host can run).
 * NULL with a sentence in @e if there is none.
 */
const struct engine_ops *engine_choose(const char *name, struct err *e);

#endif
