/** Passwords that nobody has to type. */
import type { Clock } from '../controller/clock.ts';

/** 64 hexadecimal digits, 244 bits of them by chance. */
export function newPassword(clock: Pick<Clock, 'uuid'>): string {
  return (clock.uuid() + clock.uuid()).replaceAll('-', '');
}
