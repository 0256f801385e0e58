/**
 * What a supervisor of ours is told while it runs: which program to keep running, or to keep none. A file beside its record, read
 * before each start; SIGHUP ends the program that runs, so that the next start follows the orders. The socket stays open meanwhile.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';

export interface Orders {
  command: string[];
  /** Nothing is started until this is taken back. */
  paused?: boolean;
}

export function writeOrders(file: string, orders: Orders): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify(orders)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** undefined where there are none, or none that can be read. */
export function readOrders(file: string): Orders | undefined {
  try {
    const { command, paused } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Orders>;
    if (!Array.isArray(command) || command.length === 0) return undefined;
    return { command: command.map(String), ...(paused === true ? { paused } : {}) };
  } catch {
    return undefined;
  }
}

/** Whether the orders in this file are to run this program, now. */
export function saysToRun(file: string, command: readonly string[]): boolean {
  const orders = readOrders(file);
  return orders !== undefined && orders.paused !== true && isDeepStrictEqual(orders.command, command);
}
