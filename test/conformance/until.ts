/** Waits on a condition with a deadline: tests never sleep and hope. */
import { setTimeout as wait } from 'node:timers/promises';

export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  seconds = 20,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${seconds} s in vain until ${what}`);
    await wait(20);
  }
}
