/** CAA records in memory, for tests and the simulation. */
import { DriverError } from '../error.ts';
import type { CaaReading, CaaRecord } from './index.ts';

export class FakeCaa implements CaaReading {
  readonly zones = new Map<string, CaaRecord[]>();
  /** Nobody answers. */
  down = false;
  /** Called at the start of each call: may throw or wait. */
  readonly #before: () => void | Promise<void>;

  constructor(options: { before?: () => void | Promise<void> } = {}) {
    this.#before = options.before ?? (() => undefined);
  }

  async records(name: string): Promise<readonly CaaRecord[]> {
    await this.#before();
    if (this.down)
      throw new DriverError('unavailable', `CAA records of ${name} cannot be looked up: it is down`);
    return this.zones.get(name) ?? [];
  }
}
