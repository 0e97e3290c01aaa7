/* SPDX-License-Identifier: Apache-2.0 */
/* acpi_pm.h - ACPI fixed hardware: power management. */
#ifndef DOPPEL_DEV_ACPI_PM_H
#define DOPPEL_DEV_ACPI_PM_H

#include "base/base.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"

#define ACPI_PM_TIMER_HZ 3579545u

struct acpi_pm_wiring {
	struct bus *pio;
	u16 port; /* PM1a event at + 0, control + 4, timer + 8, GPE0 + 12 */
	u16 smi_port; /* command, and a scratch byte after it */
	u8 acpi_enable, acpi_disable; /* what SMI_CMD takes */
	u8 s5_slp_typ;
	bool timer_32bit; /* else 24 */
	struct irq_line sci;
	struct clock *clock;
	void (*poweroff)(void *ctx); /* S5 was entered */
	void *poweroff_ctx;
};

struct acpi_pm {
	struct device dev;
	struct acpi_pm_wiring w;
	struct bus_range range[2];

	u16 pm1_sts, pm1_en, pm1_cnt;
	u16 gpe_sts, gpe_en;
	u8 smi_cmd, smi_data;
	u64 seen_carry; /* timer carries of which TMR_STS has been told */
	struct timer timer; /* the next carry, while it interrupts */
};

extern const struct device_class acpi_pm_class;

void acpi_pm_init(struct acpi_pm *a, const struct acpi_pm_wiring *w);

/* Somebody presses the power button: guests shut down in order. */
void acpi_pm_power_button(struct acpi_pm *a);

/* General-purpose event @n (0 to 15) happens: hot plug and the like. */
void acpi_pm_gpe(struct acpi_pm *a, unsigned n);

#endif
