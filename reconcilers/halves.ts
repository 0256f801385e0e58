/**
 * The reading half of the world as an object of its own: `observe` and plans are given what is made here, and there is nothing behind it
 * to write with, whatever a type says. A writing verb that is called all the same is an error that names it. Called by the
 * wiring; a new driver adds its line, which the compiler asks for.
 */
import type { Reading } from './world.ts';

/** All verbs of the half and no other. */
type Verbs<Half> = { readonly [verb in keyof Half]-?: true };

export const READING_VERBS: { readonly [driver in keyof Omit<Reading, 'settings'>]: Verbs<Reading[driver]> } =
  {
    docker: {
      info: true,
      containers: true,
      container: true,
      networks: true,
      volumes: true,
      image: true,
      imageIds: true,
      imagesInUse: true,
      publisherOf: true,
      usage: true,
      logs: true,
      needsLook: true,
      heard: true,
      doubt: true,
      looked: true,
    },
    nginx: { state: true, certificate: true, folder: true, certificates: true },
    host: {
      listeners: true,
      routes: true,
      hasIpv6: true,
      hasAppArmorProfile: true,
      hasAppArmor: true,
      folderExists: true,
      foldersIn: true,
      readFile: true,
      room: true,
      sizesIn: true,
      pulledImages: true,
    },
    health: { of: true },
    leases: { of: true, all: true },
    authority: { find: true },
    acme: { terms: true, isRegistered: true, order: true },
    caa: { records: true },
    dns: { zone: true, records: true, refusal: true },
    lookup: { delegation: true, ask: true, leadsTo: true, lookup: true },
    address: { find: true },
    disk: { disks: true, largest: true },
    history: { specs: true },
    firewall: { state: true },
    databases: { version: true, accounts: true, databases: true, contents: true },
    clock: { now: true },
  };

export class WritingRefusedError extends Error {
  constructor(driver: string, verb: string) {
    super(
      `${driver}.${verb} was called while looking: observe and plans have the reading half of ${driver} only and change nothing`,
    );
    this.name = 'WritingRefusedError';
  }
}

/** The world as it may be looked at. What is given may be whole drivers. */
export function readingHalf(world: Reading): Reading {
  const halves = Object.entries(READING_VERBS).map(([driver, verbs]) => {
    const whole = world[driver as keyof Reading] as object;
    return [driver, half(driver, whole, Object.keys(verbs))];
  });
  return Object.freeze({ ...Object.fromEntries(halves), settings: Object.freeze({ ...world.settings }) });
}

/** For plans: what they look at is not noted as looked at, since they compare it with what is not wanted yet. */
export function planningHalf(world: Reading): Reading {
  const untold = { looked: () => undefined, doubt: () => undefined };
  return readingHalf({ ...world, docker: { ...world.docker, ...untold } });
}

function half(driver: string, whole: object, verbs: readonly string[]): object {
  const source = whole as Record<string, unknown>;
  const own: Record<string, unknown> = {};
  for (const verb of verbs) {
    const value = source[verb];
    own[verb] = typeof value === 'function' ? (value as () => unknown).bind(whole) : value;
  }
  return new Proxy(Object.freeze(own), {
    get(target, verb) {
      if (typeof verb === 'symbol' || verb in target || typeof source[verb] !== 'function')
        return Reflect.get(target, verb);
      return () => {
        throw new WritingRefusedError(driver, verb);
      };
    },
  });
}
