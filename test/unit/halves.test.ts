import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createAcme } from '../../reconcilers/drivers/acme/client.ts';
import { createAddress } from '../../reconcilers/drivers/address/system.ts';
import { createAuthority } from '../../reconcilers/drivers/authority/folder.ts';
import { createCaa } from '../../reconcilers/drivers/caa/resolver.ts';
import { createDatabases } from '../../reconcilers/drivers/database/databases.ts';
import { createLookup } from '../../reconcilers/drivers/dns/lookup.ts';
import { createDns } from '../../reconcilers/drivers/dns/zones.ts';
import { cacheDocker } from '../../reconcilers/drivers/docker/cached.ts';
import { createDocker } from '../../reconcilers/drivers/docker/dockerode.ts';
import { createFirewall } from '../../reconcilers/drivers/firewall/iptables.ts';
import { createHost } from '../../reconcilers/drivers/host/linux.ts';
import { createNginx } from '../../reconcilers/drivers/nginx/process.ts';
import { planningHalf, READING_VERBS, readingHalf, WritingRefusedError } from '../../reconcilers/halves.ts';
import { DiskMonitor } from '../../reconcilers/platform/disk-monitor.ts';
import { thresholdsOf } from '../../reconcilers/platform/pressure.ts';
import type { Reading, Writing } from '../../reconcilers/world.ts';
import { VirtualClock } from '../support/clock.ts';

const clock = new VirtualClock();
const stateFolder = join(tmpdir(), 'holdfast-halves-nobody-makes-this');
const health = { of: () => undefined, follow: () => undefined };
const nginx = createNginx({ folder: join(stateFolder, 'nginx'), clock });

/** The real drivers, whole: none of them is connected before it is asked. */
const whole = {
  settings: { stateFolder, version: '0' },
  docker: cacheDocker(createDocker({ clock }), { clock }),
  nginx,
  host: createHost({ stateFolder }),
  health,
  leases: {
    of: () => 'kept',
    all: () => new Map<string, string>(),
    lease: async () => 'taken',
    release: async () => undefined,
  },
  authority: createAuthority({ folder: join(stateFolder, 'authority'), clock, nginx, hostname: 'test' }),
  acme: createAcme({ clock }),
  caa: createCaa(),
  dns: createDns({ clock }),
  lookup: createLookup({ clock }),
  address: createAddress({ clock }),
  disk: new DiskMonitor({
    host: createHost({ stateFolder }),
    docker: createDocker({ clock }),
    clock,
    stateFolder,
    thresholds: () => thresholdsOf(undefined),
    onChange: () => undefined,
  }),
  history: Object.assign({ specs: () => [] }, { forget: () => undefined }),
  firewall: createFirewall(),
  databases: createDatabases({
    clock,
    exec: async () => {
      throw new Error('nothing is run here');
    },
  }),
  clock,
} satisfies Reading & Partial<Writing>;

/** There is nothing in them to change. */
const onlyRead = new Set<string>(['caa', 'lookup', 'address']);

/** Names of all functions, those of classes too. */
function functionsOf(driver: object): string[] {
  const names = new Set<string>();
  for (let at: object | null = driver; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name !== 'constructor' && typeof (driver as Record<string, unknown>)[name] === 'function')
        names.add(name);
    }
  }
  return [...names];
}

for (const [title, project] of Object.entries({ observe: readingHalf, plan: planningHalf })) {
  for (const driver of Object.keys(READING_VERBS) as (keyof typeof READING_VERBS)[]) {
    test(`what ${title} has of ${driver} looks, and throws at every call that is not looking`, () => {
      const given = project(whole)[driver] as unknown as Record<string, () => unknown>;
      const reads = Object.keys(READING_VERBS[driver]);
      const writes = functionsOf(whole[driver]).filter((name) => !reads.includes(name));
      assert.is(writes.length > 0, !onlyRead.has(driver), 'there is something to refuse');
      for (const verb of writes) {
        let caught: unknown;
        try {
          given[verb]?.();
        } catch (error) {
          caught = error;
        }
        assert.instance(caught, WritingRefusedError, `${driver}.${verb} was let through`);
        assert.match(String(caught), `${driver}.${verb} was called while looking`);
      }
      for (const verb of reads) assert.ok(verb in given && given[verb] !== undefined, `${driver}.${verb}`);
    });
  }
}

test('nothing can be put into it, and reading goes to the driver', () => {
  const given = readingHalf(whole);
  assert.throws(() => Object.assign(given, { docker: whole.docker }), TypeError);
  assert.throws(() => Object.assign(given.docker, { stop: () => undefined }), TypeError);
  assert.is(given.leases.of('address', 'x'), 'kept');
  assert.is(given.nginx.folder, nginx.folder);
});

test.run();
