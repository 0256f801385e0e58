/**
 * Schedules as people write them: five fields of cron, or @hourly, @daily, @weekly, @monthly, @yearly, in a timezone. Pure: the
 * time comes in. Where clocks are put forward or back, a time that does not exist is run right after, and one that comes twice once.
 */
import { Cron } from 'croner';

const NICKNAMES = ['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually'];

export interface Times {
  /** Milliseconds since 1970; the first after this one. undefined: there is none. */
  next(after: number): number | undefined;
  /** The last up to and with this one. */
  latest(until: number): number | undefined;
}

/** What is wrong with a schedule, for a person; undefined when nothing is. */
export function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.trim();
  if (text.startsWith('@')) {
    return NICKNAMES.includes(text) ? undefined : `must be five fields, or one of ${NICKNAMES.join(', ')}`;
  }
  const fields = text.split(/\s+/).length;
  if (fields !== 5)
    return `must have five fields (minute, hour, day, month, weekday), such as 30 3 * * *; it has ${fields}`;
  try {
    if (cron(text, 'UTC').nextRun(new Date(0))) return undefined;
    return 'never comes: there is no such day';
  } catch (error) {
    const words = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    return `is no schedule of cron: ${words}`;
  }
}

export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** A schedule is asked for at every look. */
const made = new Map<string, Times>();
const MADE_MOST = 500;

export function timesOf(schedule: string, timezone: string): Times {
  const key = `${timezone} ${schedule}`;
  const times = made.get(key) ?? makeTimes(schedule, timezone);
  if (made.size >= MADE_MOST) made.clear();
  made.set(key, times);
  return times;
}

function makeTimes(schedule: string, timezone: string): Times {
  const times = cron(schedule.trim(), timezone);
  // A look asks several times for the same moment, and the next ones for moments soon after: until the next time comes the answers stay.
  let ahead: { from: number; next: number | undefined } | undefined;
  let behind: { from: number; before: number; latest: number | undefined } | undefined;
  const next = (after: number): number | undefined => {
    if (ahead === undefined || after < ahead.from || after >= (ahead.next ?? Number.POSITIVE_INFINITY))
      ahead = { from: after, next: times.nextRun(new Date(after))?.getTime() };
    return ahead.next;
  };
  const latest = (until: number): number | undefined => {
    if (behind === undefined || until < behind.from || until >= behind.before)
      behind = {
        from: until,
        before: next(until) ?? Number.POSITIVE_INFINITY,
        latest: latestOf(times, until),
      };
    return behind.latest;
  };
  return { next, latest };
}

function latestOf(times: Cron, until: number): number | undefined {
  return (
    times
      // One second later, for what comes at this very moment counts.
      .previousRuns(2, new Date(until + 1000))
      .map((time) => time.getTime())
      .find((time) => time <= until)
  );
}

function cron(schedule: string, timezone: string): Cron {
  return new Cron(schedule, {
    timezone,
    paused: true,
    ...(schedule.startsWith('@') ? {} : { mode: '5-part' }),
  });
}
