/** How the two servers are marked that an upgrade runs beside each other. Pure. */

export type Role = 'old' | 'new';

/** Stands in the label of the uid, and for the owner of the address. */
export function workerUid(uid: string, role: Role): string {
  return `${uid}.${role}`;
}

export function workerUids(uid: string): string[] {
  return [workerUid(uid, 'old'), workerUid(uid, 'new')];
}
