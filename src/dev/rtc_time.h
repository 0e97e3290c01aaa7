/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc_time.h - seconds since 1970 to and from a date of the Gregorian
 * calendar, UTC, for any year from 1970 on. Days are counted from 1 March, so
 * that the leap day is the last of its year.
 */
#ifndef DOPPEL_DEV_RTC_TIME_H
#define DOPPEL_DEV_RTC_TIME_H

#include "base/base.h"

struct rtc_time {
	u32 sec, min, hour;
	u32 wday; /* 0: Sunday; not used for going back */
	u32 mday, month; /* from 1 */
	u32 year;
};

#define RTC_DAYS_TO_1970 719468u /* from 1 March of year 0 */
#define RTC_DAYS_400Y 146097u

static inline void rtc_time_from_seconds(struct rtc_time *t, u64 s)
{
	u64 days = s / 86400;
	u32 rest = (u32)(s % 86400), era_day, year, year_day, m;
	u64 z = days + RTC_DAYS_TO_1970;

	t->sec = rest % 60;
	t->min = rest / 60 % 60;
	t->hour = rest / 3600;
	t->wday = (u32)((days + 4) % 7); /* 1 January 1970: Thursday */

	era_day = (u32)(z % RTC_DAYS_400Y);
	year = (era_day - era_day / 1460 + era_day / 36524 -
		era_day / 146096) / 365;
	year_day = era_day - (365 * year + year / 4 - year / 100);
	m = (5 * year_day + 2) / 153; /* 0: March */
	t->mday = year_day - (153 * m + 2) / 5 + 1;
	t->month = m < 10 ? m + 3 : m - 9;
	t->year = (u32)(z / RTC_DAYS_400Y) * 400 + year + (m >= 10);
}

/* Values out of range carry over (32 March is 1 April); before 1970 is 1970. */
static inline u64 rtc_time_to_seconds(const struct rtc_time *t)
{
	u32 month = t->month ? (t->month - 1) % 12 : 0; /* 0: January */
	u32 m = (month + 10) % 12; /* 0: March */
	u64 y = t->year + (t->month ? (t->month - 1) / 12 : 0) - (month < 2);
	u64 day;

	if (t->year < 1970)
		return 0;
	day = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
	      (t->mday ? t->mday - 1 : 0) - RTC_DAYS_TO_1970;
	return ((day * 24 + t->hour) * 60 + t->min) * 60 + t->sec;
}

#endif
