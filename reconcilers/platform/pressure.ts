/**
 * How full a disk is, in three levels, and the day on which it will be full. Pure; the thresholds are those of Platform's spec.disk.
 * Other reconcilers ask `isDiskCritical` before they write much.
 */
import { condition, type Document } from '../../resources/document.ts';
import type { PlatformSpec } from '../../resources/generated.ts';
import { parseMemory } from '../../resources/memory.ts';
import type { DiskRoom } from '../drivers/host/index.ts';

export type Level = 'none' | 'warning' | 'critical';

/** Free bytes below which a level begins, for a disk of this size. */
export interface Thresholds {
  warning(totalBytes: number): number;
  critical(totalBytes: number): number;
}

const GIB = 2 ** 30;
/** Of a large disk some percent are more than anybody waits for. */
const DEFAULTS = {
  warning: { percent: 10, most: 20 * GIB },
  critical: { percent: 5, most: 5 * GIB },
};
/** Of all files that the file system can hold; some count none. */
const FEW_FILES = { warning: 0.05, critical: 0.01 };
/** A level is left when there is this much more than it begins with: no flapping. */
const MARGIN = 1.1;

export function thresholdsOf(spec: PlatformSpec | undefined): Thresholds {
  return {
    warning: bound(spec?.disk?.warningBelow, DEFAULTS.warning),
    critical: bound(spec?.disk?.criticalBelow, DEFAULTS.critical),
  };
}

function bound(text: string | undefined, usual: { percent: number; most: number }) {
  if (text === undefined) return (total: number) => Math.min((total * usual.percent) / 100, usual.most);
  const percent = /^([0-9]+(?:[.][0-9]+)?)%$/.exec(text)?.[1];
  if (percent !== undefined) return (total: number) => (total * Number(percent)) / 100;
  const bytes = parseMemory(text) ?? 0;
  return () => bytes;
}

export function levelOf(room: DiskRoom, thresholds: Thresholds, before: Level = 'none'): Level {
  for (const level of ['critical', 'warning'] as const) {
    const stays = before === level || (before === 'critical' && level === 'warning');
    const margin = stays ? MARGIN : 1;
    if (room.freeBytes < thresholds[level](room.totalBytes) * margin) return level;
    if (room.totalFiles > 0 && room.freeFiles < room.totalFiles * FEW_FILES[level] * margin) return level;
  }
  return 'none';
}

export function worst(levels: readonly Level[]): Level {
  return (['critical', 'warning'] as const).find((level) => levels.includes(level)) ?? 'none';
}

export function percentFree({ freeBytes, totalBytes }: DiskRoom): number {
  return totalBytes === 0 ? 0 : Math.floor((freeBytes * 100) / totalBytes);
}

/** What was used on a day: YYYY-MM-DD, by UTC. */
export interface DayOfUse {
  day: string;
  usedBytes: number;
}

const DAYS_KEPT = 30;
const FEWEST_DAYS = 3;
const FARTHEST_DAYS = 365;
const DAY = 86_400_000;

/** With today's added, where it is the first look of the day; else as it was. In order, and no day twice, also when the clock was wrong. */
export function withToday(history: readonly DayOfUse[], today: DayOfUse): DayOfUse[] {
  if (history.some(({ day }) => day === today.day)) return [...history];
  return [...history, today].sort((a, b) => (a.day < b.day ? -1 : 1)).slice(-DAYS_KEPT);
}

/** The day on which there will be no room, if it goes on as it did (least squares). undefined: not within a year, or not known yet. */
export function fullOn(history: readonly DayOfUse[], totalBytes: number): string | undefined {
  const points = history.map(({ day, usedBytes }) => ({ x: Date.parse(day) / DAY, y: usedBytes }));
  const last = points.at(-1);
  if (points.length < FEWEST_DAYS || !last) return undefined;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))];
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  const slope = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread;
  if (!(slope > 0)) return undefined;
  const days = Math.max(0, (totalBytes - last.y) / slope);
  return days > FARTHEST_DAYS ? undefined : new Date((last.x + days) * DAY).toISOString().slice(0, 10);
}

/** What Platform says when the disk is too full for anything that writes much; undefined while it is not. */
export function isDiskCritical(platform: Document | undefined): string | undefined {
  const pressure = platform && condition(platform, 'DiskPressure');
  return pressure?.status === 'True' && pressure.reason === 'Critical' ? pressure.message : undefined;
}
