/** Whether a maintenance window is open, from the Platform's spec. Part of the wiring: core.ts gives it to the engine. Pure. */
import { Cron } from 'croner';
import type { PlatformSpec } from '../resources/generated.ts';
import { minutesOf } from '../resources/platform.ts';
import type { Window } from './engine/holds.ts';

/** undefined where no windows are set. `now` in milliseconds since 1970. */
export function windowAt(spec: PlatformSpec | undefined, now: number): Window | undefined {
  const windows = spec?.maintenance?.windows;
  if (!windows) return undefined;
  const at = new Date(now);
  const opens: number[] = [];
  for (const { schedule, duration, timezone = 'UTC' } of windows) {
    const cron = new Cron(schedule, { timezone, paused: true });
    const [opened] = cron.previousRuns(1, new Date(now + 1));
    if (opened && now < opened.getTime() + minutesOf(duration) * 60_000) return { open: true };
    const next = cron.nextRun(at);
    if (next) opens.push(next.getTime());
  }
  return opens.length === 0 ? { open: false } : { open: false, opensAt: Math.min(...opens) };
}
