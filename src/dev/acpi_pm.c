/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi_pm.c - ACPI fixed hardware in the PIIX4's order: PM1a event and control
 * registers, the power management timer, a block of general-purpose events,
 * and the SMI command port, which only switches ACPI on and off. (Reset
 * control is in the ISA bridge, piix3.c.)
 *
 * References: ACPI 6.3, 4.8.3 "Fixed Hardware Registers".
 */
#include "dev/acpi_pm.h"

#include "base/err.h"
#include "base/muldiv.h"
#include "base/trace.h"
#include "dev/isa8.h"

enum { PM1_STS = 0, PM1_EN = 2, PM1_CNT = 4, PM_TMR = 8, GPE_STS = 12,
       GPE_EN = 14, PM_BYTES = 16 };

#define PM1_TMR BIT(0)
#define PM1_GBL BIT(5)
#define PM1_PWRBTN BIT(8)
#define PM1_SLPBTN BIT(9)
#define PM1_RTC BIT(10)
#define PM1_WAK BIT(15)
#define PM1_EVENTS (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC)

#define CNT_SCI_EN BIT(0)
#define CNT_GBL_RLS BIT(2)
#define CNT_SLP_TYP(v) ((v) >> 10 & 7)
#define CNT_SLP_EN BIT(13)
/* Written bits that are kept: BM_RLD and SLP_TYP too. */
#define CNT_KEPT 0x1c02u

#define NS_PER_S 1000000000ull

static u64 timer_ticks(const struct acpi_pm *a)
{
	return muldiv(clock_now_ns(a->w.clock), ACPI_PM_TIMER_HZ, NS_PER_S);
}

/* TMR_STS is set whenever the counter's top bit changes. */
static unsigned carry_shift(const struct acpi_pm *a)
{
	return a->w.timer_32bit ? 31 : 23;
}

static void update(struct acpi_pm *a)
{
	u64 carry = timer_ticks(a) >> carry_shift(a), next = CLOCK_NEVER;
	bool sci;

	if (carry != a->seen_carry)
		a->pm1_sts |= PM1_TMR;
	a->seen_carry = carry;
	sci = (a->pm1_sts & a->pm1_en & PM1_EVENTS) || (a->gpe_sts & a->gpe_en);
	irq_set(&a->w.sci, sci && (a->pm1_cnt & CNT_SCI_EN));
	if ((a->pm1_en & PM1_TMR) && !(a->pm1_sts & PM1_TMR))
		next = muldiv_up((carry + 1) << carry_shift(a), NS_PER_S,
				 ACPI_PM_TIMER_HZ);
	timer_arm(&a->timer, next);
}

static void timer_fired(void *arg, u64 now_ns)
{
	update(arg);
}

static void write_control(struct acpi_pm *a, u16 v)
{
	/* SCI_EN is the SMI command's to change. */
	a->pm1_cnt = (a->pm1_cnt & CNT_SCI_EN) | (v & CNT_KEPT);
	if (!(v & CNT_SLP_EN))
		return;
	TRACE(ACPI, "sleep type %u", CNT_SLP_TYP(v));
	if (CNT_SLP_TYP(v) == a->w.s5_slp_typ && a->w.poweroff)
		a->w.poweroff(a->w.poweroff_ctx);
}

/* --- the power management block: 16 bytes, any width --- */

static u8 pm_read8(void *dev, u64 offset)
{
	struct acpi_pm *a = dev;
	u16 v;

	switch (offset & ~1ull) {
	case PM1_STS:
		update(a);
		v = a->pm1_sts;
		break;
	case PM1_EN:
		v = a->pm1_en;
		break;
	case PM1_CNT:
		v = a->pm1_cnt;
		break;
	case GPE_STS:
		v = a->gpe_sts;
		break;
	case GPE_EN:
		v = a->gpe_en;
		break;
	default:
		v = 0;
	}
	return (u8)(offset & 1 ? v >> 8 : v);
}

static u64 pm_read(void *dev, u64 offset, unsigned bytes)
{
	struct acpi_pm *a = dev;
	u64 v;

	/* One reading of the timer: its bytes must belong together. */
	if (offset >= PM_TMR && offset < PM_TMR + 4) {
		v = timer_ticks(a) & (a->w.timer_32bit ? ~0u : 0xffffffu);
		v >>= 8 * (offset - PM_TMR);
		return bytes < 4 ? v & (BIT64(8 * bytes) - 1) : v;
	}
	return isa8_read(dev, offset, bytes, pm_read8);
}

/* Byte @high of *@reg becomes @v. */
static void put_byte(u16 *reg, bool high, u8 v)
{
	*reg = high ? (u16)((*reg & 0x00ff) | v << 8) : (*reg & 0xff00) | v;
}

static void pm_write8(void *dev, u64 offset, u8 v)
{
	struct acpi_pm *a = dev;
	bool high = offset & 1;
	u16 word;

	switch (offset & ~1ull) {
	case PM1_STS: /* ones clear */
		update(a);
		a->pm1_sts &= (u16)~(high ? v << 8 : v);
		break;
	case PM1_EN:
		put_byte(&a->pm1_en, high, v);
		a->pm1_en &= PM1_EVENTS;
		break;
	case PM1_CNT:
		word = a->pm1_cnt;
		put_byte(&word, high, v);
		write_control(a, word);
		break;
	case GPE_STS:
		a->gpe_sts &= (u16)~(high ? v << 8 : v);
		break;
	case GPE_EN:
		put_byte(&a->gpe_en, high, v);
		break;
	}
	update(a);
}

static void pm_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	isa8_write(dev, offset, v, bytes, pm_write8);
}

/* --- SMI command --- */

static u8 smi_read8(void *dev, u64 offset)
{
	struct acpi_pm *a = dev;

	return offset ? a->smi_data : a->smi_cmd;
}

static void smi_write8(void *dev, u64 offset, u8 v)
{
	struct acpi_pm *a = dev;

	if (offset) {
		a->smi_data = v;
		return;
	}
	a->smi_cmd = v;
	/* What firmware's SMI handler would do, at once. */
	if (v == a->w.acpi_enable)
		a->pm1_cnt |= CNT_SCI_EN;
	else if (v == a->w.acpi_disable)
		a->pm1_cnt &= ~CNT_SCI_EN;
	TRACE(ACPI, "SMI command %02x", v);
	update(a);
}

static u64 smi_read(void *dev, u64 offset, unsigned bytes)
{
	return isa8_read(dev, offset, bytes, smi_read8);
}

static void smi_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	isa8_write(dev, offset, v, bytes, smi_write8);
}

static const struct bus_ops pm_ops = { pm_read, pm_write };
static const struct bus_ops smi_ops = { smi_read, smi_write };

/* --- events from outside --- */

void acpi_pm_power_button(struct acpi_pm *a)
{
	a->pm1_sts |= PM1_PWRBTN;
	update(a);
}

void acpi_pm_gpe(struct acpi_pm *a, unsigned n)
{
	BUG_ON(n > 15);
	a->gpe_sts |= BIT(n);
	update(a);
}

static void acpi_pm_reset(struct device *d)
{
	struct acpi_pm *a = container_of(d, struct acpi_pm, dev);

	a->pm1_sts = a->pm1_en = a->pm1_cnt = 0;
	a->gpe_sts = a->gpe_en = 0;
	a->smi_cmd = a->smi_data = 0;
	a->seen_carry = timer_ticks(a) >> carry_shift(a);
	update(a);
}

static int acpi_pm_loaded(struct device *d)
{
	struct acpi_pm *a = container_of(d, struct acpi_pm, dev);

	if (a->pm1_en & ~PM1_EVENTS)
		return -EINVAL;
	if (a->pm1_cnt & ~(CNT_SCI_EN | CNT_KEPT))
		return -EINVAL;
	a->seen_carry = timer_ticks(a) >> carry_shift(a);
	update(a);
	return 0;
}

void acpi_pm_init(struct acpi_pm *a, const struct acpi_pm_wiring *w)
{
	a->w = *w;
	timer_init(&a->timer, w->clock, timer_fired, a);
	a->range[0] = (struct bus_range){ .first = w->port,
					  .bytes = PM_BYTES,
					  .ops = &pm_ops,
					  .dev = a,
					  .name = "acpi pm" };
	a->range[1] = (struct bus_range){ .first = w->smi_port,
					  .bytes = 2,
					  .ops = &smi_ops,
					  .dev = a,
					  .name = "smi command" };
	bus_add(w->pio, &a->range[0]);
	bus_add(w->pio, &a->range[1]);
	acpi_pm_reset(&a->dev);
}

static const struct field acpi_pm_fields[] = {
	FIELD(struct acpi_pm, pm1_sts, FIELD_U16, 1),
	FIELD(struct acpi_pm, pm1_en, FIELD_U16, 1),
	FIELD(struct acpi_pm, pm1_cnt, FIELD_U16, 1),
	FIELD(struct acpi_pm, gpe_sts, FIELD_U16, 1),
	FIELD(struct acpi_pm, gpe_en, FIELD_U16, 1),
	FIELD(struct acpi_pm, smi_cmd, FIELD_U8, 1),
	FIELD(struct acpi_pm, smi_data, FIELD_U8, 1),
	FIELD_END,
};

const struct device_class acpi_pm_class = {
	.name = "acpi_pm",
	.version = 1,
	.bytes = sizeof(struct acpi_pm),
	.fields = acpi_pm_fields,
	.reset = acpi_pm_reset,
	.loaded = acpi_pm_loaded,
};
