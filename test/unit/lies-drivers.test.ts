/**
 * Drivers other than Docker's that hand back another value than was set: nginx's folder with other text in it, a provider with a time to
 * live of its own, a database that forgets an account, a packet filter, a file. Each is tried a few times, told with the field, left alone
 * but for rare tries, and Ready by itself when the truth is told again. What does not lie goes on.
 */

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Drivers } from '../../controller/core.ts';
import type { Account } from '../../reconcilers/drivers/database/index.ts';
import type { SetChange } from '../../reconcilers/drivers/dns/index.ts';
import { createFakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import { DriverError } from '../../reconcilers/drivers/error.ts';
import { createFakeFirewall } from '../../reconcilers/drivers/firewall/fake.ts';
import { BRIDGE } from '../../reconcilers/platform/bridge.ts';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import { VirtualClock } from '../support/clock.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';
import { over } from '../support/over.ts';

/** Tried so often at most, in all. */
const MOST_TRIES = 4;

interface Row {
  /** What is asked about. */
  kind: string;
  name: string;
  field: RegExp;
  /** Drivers that lie while `lying()` says so. `wrote` counts a try. */
  lie(drivers: Drivers, lying: () => boolean, wrote: () => void): Partial<Drivers>;
  /** What is Ready all the same. */
  others: [kind: string, name: string][];
}

const counted =
  <Args extends unknown[], Answer>(verb: (...args: Args) => Answer, wrote: () => void) =>
  (...args: Args): Answer => {
    wrote();
    return verb(...args);
  };

const withItsOwnTime = (change: SetChange): SetChange =>
  change.after ? { ...change, after: { ...change.after, ttl: 7200 } } : change;

/** A database server that tells otherwise of the accounts that it has. */
const withAccounts =
  (told: (all: readonly Account[]) => readonly Account[]): Row['lie'] =>
  ({ databases }, lying, wrote) => ({
    databases: over(databases, {
      provision: counted(databases.provision.bind(databases), wrote),
      accounts: async (server) => {
        const all = await databases.accounts(server);
        return lying() ? told(all) : all;
      },
    }),
  });

const rows: Record<string, Row> = {
  'nginx has other text in a site than was written': {
    kind: 'Site',
    name: 'blog',
    field: /sites\/blog\.conf/,
    others: [['Addon', 'postgresql']],
    lie: ({ nginx }, lying, wrote) => ({
      nginx: over(nginx, {
        publish: counted(nginx.publish.bind(nginx), wrote),
        async state() {
          const state = await nginx.state();
          const files = [...state.files].map(
            ([path, text]) =>
              [path, lying() && path === 'sites/blog.conf' ? `${text}# other` : text] as const,
          );
          return { ...state, files: new Map(files) };
        },
      }),
    }),
  },
  'nginx says that it does not run': {
    kind: 'Site',
    name: 'blog',
    field: /nginx\.running: found false, wanted true/,
    others: [['Addon', 'postgresql']],
    lie: ({ nginx }, lying, wrote) => ({
      nginx: over(nginx, {
        start: counted(nginx.start.bind(nginx), wrote),
        state: async () => ({ ...(await nginx.state()), ...(lying() ? { running: false } : {}) }),
      }),
    }),
  },
  'a provider has a time to live of its own': {
    kind: 'DNSRecord',
    name: '',
    field: /A blog\.example\.com ttl: found 7200, wanted 60/,
    others: [
      ['App', 'shop'],
      ['Addon', 'postgresql'],
    ],
    lie: ({ dns }, lying, wrote) => ({
      dns: over(dns, {
        change(access, changes) {
          wrote();
          return dns.change(access, lying() ? changes.map(withItsOwnTime) : changes);
        },
      }),
    }),
  },
  'a database has an account with another password': {
    kind: 'Binding',
    name: 'shop-postgresql',
    field: /account|credential|password/,
    others: [['App', 'blog']],
    lie: withAccounts((all) => all.map((account) => ({ ...account, credential: 'other' }))),
  },
  'a database has no account': {
    kind: 'Binding',
    name: 'shop-postgresql',
    field: /account/,
    others: [['App', 'blog']],
    lie: withAccounts(() => []),
  },
  'the file with a password holds another one': {
    kind: 'Addon',
    name: 'postgresql',
    field: /password/i,
    others: [['App', 'blog']],
    lie: ({ host }, lying, wrote) => ({
      host: over(host, {
        writeFile: counted(host.writeFile.bind(host), wrote),
        readFile: async (path) => {
          const text = await host.readFile(path);
          return lying() && text !== undefined && /addons.*secret/.test(path) ? `${text}x` : text;
        },
      }),
    }),
  },
  'the packet filter has other rules': {
    kind: 'Platform',
    name: 'platform',
    field: /firewall/,
    others: [['App', 'blog']],
    lie: ({ firewall }, lying, wrote) => ({
      firewall: over(firewall, {
        write: counted(firewall.write.bind(firewall), wrote),
        state: async (bridge) => {
          const state = await firewall.state(bridge);
          return lying()
            ? { ...state, families: state.families.map((one) => ({ ...one, rules: [] })) }
            : state;
        },
      }),
    }),
  },
  'the network is not there': {
    kind: 'Platform',
    name: 'platform',
    field: /network/,
    others: [],
    lie: ({ docker }, lying, wrote) => ({
      docker: over(docker, {
        createNetwork: counted(docker.createNetwork.bind(docker), wrote),
        networks: async () => (await docker.networks()).filter(({ name }) => !lying() || name !== 'holdfast'),
      }),
    }),
  },
  'a folder of data is not there': {
    kind: 'App',
    name: 'blog',
    field: /data/,
    others: [['App', 'shop']],
    lie: ({ host }, lying, wrote) => ({
      host: over(host, {
        ensureFolder: counted(host.ensureFolder.bind(host), wrote),
        folderExists: async (path) => (lying() && /apps\/blog/.test(path) ? false : host.folderExists(path)),
      }),
    }),
  },
};

const document = (kind: string, name: string, spec: Record<string, unknown>): Manifest => ({
  apiVersion: API_VERSION,
  kind,
  metadata: { name },
  spec,
});

const manifests = [
  document('Secret', 'key', { stringData: { token: 't' } }),
  document('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } }),
  document('Domain', 'example.com', {
    provider: 'cloudflare',
    credentials: { secret: 'key' },
    ttl: 60,
    tls: { issuer: 'internal' },
  }),
  document('Addon', 'postgresql', { type: 'postgresql' }),
  appManifest('blog', { domain: 'example.com', volumes: [{ path: '/data' }] }),
  appManifest('shop', { addons: { postgresql: {} } }),
];

/** Somebody changes a record, so that it is written again. */
function breakRecords({ world: { dns } }: RunningController): void {
  for (const [key, set] of dns.zones.get('example.com')?.sets ?? [])
    dns.zones.get('example.com')?.sets.set(key, { ...set, ttl: 7200 });
}

async function pass(controller: RunningController, seconds: number): Promise<void> {
  for (let left = seconds; left > 0; left -= 5) {
    await controller.pass(5_000);
    serveApps(controller);
  }
}

for (const [what, row] of Object.entries(rows))
  test(`${what}: it is told, and left alone`, async () => {
    const clock = new VirtualClock();
    const docker = createFakeDocker({ clock, pathExists: () => true });
    docker.addImage('holdfast.local/postgresql:17', { volumes: ['/var/lib/postgresql/data'] });
    docker.addImage('holdfast.local/postgresql:15', { volumes: ['/var/lib/postgresql/data'] });
    const firewall = createFakeFirewall();
    firewall.dockerStarts(BRIDGE);
    let lying = false;
    let tries = 0;
    const count = () => {
      if (lying) tries += 1;
    };
    const wrap = (drivers: Drivers) => row.lie(drivers, () => lying, count);
    const controller = await startController({ world: { clock, docker }, drivers: { firewall }, wrap });
    const name = () => row.name || (controller.store.list(row.kind).items[0]?.metadata.name ?? '');
    const told = (type: string) =>
      controller.get(row.kind, name())?.status?.conditions?.find((one) => one.type === type);
    try {
      controller.world.dns.addZone('example.com');
      await controller.apply(...manifests);
      await pass(controller, 120);
      const all = [[row.kind, name()] as const, ...row.others];
      for (const [kind, one] of all)
        assert.is(
          controller.ready(kind, one).status,
          'True',
          `${kind}/${one}: ${controller.ready(kind, one).message}`,
        );
      lying = true;
      breakRecords(controller);
      await controller.core.engine.resync();
      await pass(controller, 550);
      const stalled = told('Stalled');
      const seen = JSON.stringify(controller.get(row.kind, name())?.status, null, 1);
      assert.is(stalled?.reason, 'Looping', `${tries} tries, ${seen}`);
      assert.match(stalled?.message ?? '', row.field);
      assert.ok(tries <= MOST_TRIES, `${tries} tries`);
      for (const [kind, one] of row.others)
        assert.is(controller.ready(kind, one).status, 'True', `${kind}/${one}`);
      const before = tries;
      lying = false;
      await pass(controller, 400);
      assert.is(tries, before);
      assert.is(told('Ready')?.status, 'True', told('Ready')?.message);
      assert.is(told('Stalled'), undefined);
    } finally {
      await controller.close();
    }
  });

test('a provider that refuses each change as out of date is asked less and less often', async () => {
  let asked = 0;
  const wrap = ({ dns }: Drivers): Partial<Drivers> => ({
    dns: over(dns, {
      change: async () => {
        asked += 1;
        throw new DriverError('conflict', 'the zone changed since it was looked at');
      },
    }),
  });
  const controller = await startController({ wrap });
  try {
    controller.world.dns.addZone('example.com');
    await controller.apply(...manifests);
    await pass(controller, 1_000);
    assert.ok(asked > 3 && asked < 40, `${asked} times`);
  } finally {
    await controller.close();
  }
});

test.run();
