/* SPDX-License-Identifier: Apache-2.0 */
/* run.h - the run slot of the translator's engine_ops. */
#ifndef DOPPEL_TRANSLATE_RUN_H
#define DOPPEL_TRANSLATE_RUN_H

#include "vm/engine.h"

enum vm_exit translate_run(struct vcpu *v);

#endif
