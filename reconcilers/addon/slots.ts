/**
 * Folders of an Addon, by what their names say. What an upgrade has come to can be read from the disk alone, after a crash at any moment:
 *
 *   data-15, next-17        data is being copied
 *   data-15, verified-17    the copy was compared: it is to take the place
 *   kept-15-…, verified-17  the old one has made room
 *   data-17, kept-15-…      done; the old one goes when its time is over
 *
 * Pure.
 */

export interface Slot {
  name: string;
  series: string;
}

export interface Kept extends Slot {
  /** Milliseconds since 1970: when it was put aside. */
  since: number;
}

export interface Slots {
  /** More than one: somebody put another there. */
  data: Slot[];
  next: Slot[];
  verified: Slot[];
  /** Newest first. */
  kept: Kept[];
}

export function slotName(state: 'data' | 'next' | 'verified', series: string): string {
  return series === '' ? state : `${state}-${series}`;
}

/** kept-15-20260101T000000Z */
export function keptName(series: string, now: string): string {
  return `${slotName('data', series).replace('data', 'kept')}-${now.replace(/[-:]|\.\d+/g, '')}`;
}

export function readSlots(names: readonly string[]): Slots {
  const slots: Slots = { data: [], next: [], verified: [], kept: [] };
  for (const name of names) {
    const live = /^(data|next|verified)(?:-([0-9.]+))?$/.exec(name);
    if (live) slots[live[1] as 'data' | 'next' | 'verified'].push({ name, series: live[2] ?? '' });
    const kept = /^kept(?:-([0-9.]+))?-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(name);
    if (!kept) continue;
    const [, series = '', year, month, day, hour, minute, second] = kept;
    const since = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    slots.kept.push({ name, series, since });
  }
  slots.kept.sort((a, b) => b.since - a.since);
  return slots;
}
